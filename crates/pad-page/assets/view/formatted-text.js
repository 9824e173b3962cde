// An answer as Markdown. What a model writes is not trusted: HTML in it is shown as text, and what Markdown makes is reduced to the markup
// of plain documents.

import DOMPurify from "dompurify";
import { Marked } from "marked";
import { useRef } from "preact/hooks";
import { html } from "../html.js";
import { isRunning } from "../answer.js";

const TAGS = ["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "del", "a",
  "table", "thead", "tbody", "tr", "th", "td"];

/** Between two renderings of an answer that is still coming, in milliseconds. */
const PACE = 150;

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`);

const markdown = new Marked({ gfm: true, breaks: true, renderer: { html: ({ raw }) => escaped(raw), image: ({ text }) => escaped(text) } });

const rendered = (text) => DOMPurify.sanitize(markdown.parse(text), {
  ALLOWED_TAGS: TAGS,
  ALLOWED_ATTR: ["href", "start", "align"],
  ALLOWED_URI_REGEXP: /^(https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  RETURN_TRUSTED_TYPE: true,
});

export function FormattedText({ answer }) {
  answer.version.value;
  const last = useRef({ at: 0, markup: null });
  const now = performance.now();
  if (!isRunning(answer) || now - last.current.at > PACE) last.current = { at: now, markup: rendered(answer.text) };
  return html`<div class="text formatted" tabindex="0" role="group" aria-label="Answer" dangerouslySetInnerHTML=${{ __html: last.current.markup }} />`;
}
