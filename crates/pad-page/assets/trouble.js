// What went wrong, in words that say what to do about it.

/** A failed request. `retry` is the number of seconds after which it may be tried again, or null where trying again will not help. */
export class Trouble extends Error {
  constructor(message, { kind = "failed", retry = null } = {}) {
    super(message);
    this.kind = kind;
    this.retry = retry;
  }

  /** The server did not answer at all. */
  static unreachable() {
    return new Trouble("The server cannot be reached. It may have stopped, or the connection is down.", { kind: "unreachable", retry: 0 });
  }

  /** The answer ended before it was complete. */
  static broken() {
    return new Trouble("The connection was lost before the answer was complete.", { kind: "unreachable", retry: 0 });
  }

  /** An answer with an error status. */
  static async of(response) {
    const body = await response.json().catch(() => null);
    return Trouble.told(body?.error ?? {}, response.status, Number(response.headers.get("retry-after")) || 1);
  }

  /** An error as the API writes it: in an answer, or as an event of a stream. */
  static told(error, status, seconds = 1) {
    const said = error.message ?? `status ${status}`;
    switch (error.code) {
      case "invalid_api_key":
        return new Trouble("This server requires a valid API key.", { kind: "key" });
      case "queue_full":
        return new Trouble("The server is full: all places are taken.", { kind: "overload", retry: seconds });
      case "rate_limit_exceeded":
        return new Trouble(`The limit of this API key is reached: ${said}.`, { kind: "overload", retry: seconds });
      case "too_many_connections":
        return new Trouble("The server has no free connection.", { kind: "overload", retry: seconds });
      case "draining":
      case "interrupted":
        return new Trouble("The server is shutting down.", { kind: "stopping", retry: 5 });
      case "engine_dead":
        return new Trouble("The server's engine has stopped. It has to be started again.", { kind: "stopping", retry: 5 });
      case "context_length_exceeded":
        return new Trouble("The conversation is longer than the model can read. Start a new one, or branch from an earlier message.");
      default:
        return new Trouble(`${said.charAt(0).toUpperCase()}${said.slice(1)}`, { retry: status >= 500 ? 1 : null });
    }
  }
}
