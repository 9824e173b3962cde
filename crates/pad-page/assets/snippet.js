// The request of an answer as code: for a terminal, and for OpenAI's SDKs.

import { key } from "./key.js";
import { isPlain, plainIsDefault } from "./preference.js";

export const LANGUAGES = [["curl", "curl"], ["python", "Python"], ["javascript", "JavaScript"]];

/** The fields that PAD adds to OpenAI's request. */
const OWN = ["preference", "pad"];

/** JSON with one field a line. */
const json = (value, indent = "  ") => JSON.stringify(value, null, 2).replaceAll("\n", `\n${indent.slice(2)}`);

/** A value as Python writes it. */
function python(value) {
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (value && typeof value === "object") return `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${python(one)}`).join(", ")}}`;
  return value === true ? "True" : value === false ? "False" : JSON.stringify(value);
}

function body(messages, { model, preference, settings, request }) {
  const made = request.call({ text: "", model, preference, settings }, messages);
  if (isPlain(preference) && plainIsDefault()) delete made.preference;
  return made;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function snippet(language, messages, answer) {
  const request = body(messages, answer);
  const base = new URL("v1", document.baseURI).href;
  const own = Object.fromEntries(Object.entries(request).filter(([name]) => OWN.includes(name)));
  const openai = Object.fromEntries(Object.entries(request).filter(([name]) => !OWN.includes(name)));
  // The key itself is never part of what is copied.
  const keyed = key.value !== "";
  if (language === "curl") {
    const header = keyed ? ` \\\n  -H "authorization: Bearer $PAD_API_KEY"` : "";
    return `curl ${base}/chat/completions \\\n  -H 'content-type: application/json'${header} \\\n  -d ${quoted(json(request))}`;
  }
  if (language === "python") {
    const fields = Object.entries(openai).map(([name, value]) => `    ${name}=${python(value)},`);
    if (Object.keys(own).length > 0) fields.push(`    extra_body=${python(own)},`);
    const [load, given] = keyed ? ["import os\n\n", 'os.environ["PAD_API_KEY"]'] : ["", '"unused"'];
    return `${load}from openai import OpenAI\n\nclient = OpenAI(base_url="${base}", api_key=${given})\nanswer = client.chat.completions.create(\n${fields.join("\n")}\n)\nprint(answer.choices[0].message.content)`;
  }
  return `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${base}", apiKey: ${keyed ? "process.env.PAD_API_KEY" : '"unused"'} });\nconst answer = await client.chat.completions.create(${json(request)});\nconsole.log(answer.choices[0].message.content);`;
}
