// Server-sent events of a stream, as JSON.

import { Trouble } from "./trouble.js";

/** The events of a response, one by one, until its end mark. Throws a `Trouble` where the server reports one, or where the end is missing. */
export async function* events(response) {
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw error.name === "AbortError" ? error : Trouble.broken();
    });
    if (done) throw Trouble.broken();
    rest += decoder.decode(value, { stream: true });
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      // Lines that begin with a colon keep the connection alive.
      if (!part.startsWith("data:")) continue;
      const data = part.slice(5).trim();
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw Trouble.told(event.error, 500);
      yield event;
    }
  }
}
