// The text of an answer, token by token: tinted, marked, and explained on demand.

import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { isRunning } from "../answer.js";
import { dismiss, inspected, look, pin } from "../inspected.js";
import { tint } from "../settings.js";
import { TokenLine } from "./token-line.js";

const STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 };

export function AnswerText({ answer, shared, ongoon }) {
  const box = useRef();
  const line = useRef();
  answer.version.value;
  const busy = isRunning(answer);
  const explained = inspected.value?.answer === answer ? inspected.value.index : null;
  useLayoutEffect(() => {
    line.current ??= new TokenLine(box.current);
    line.current.update(answer.trace, tint.value, shared ?? null, !busy && answer.finish === "stop");
    line.current.point(explained);
  });
  const goOnFrom = ongoon && ((index, rank) => ongoon(index, rank));
  const explain = (how) => ({ target, type, pointerType }) => {
    // A finger points at nothing before it touches.
    if (type === "pointerover" && pointerType === "touch") return;
    const index = line.current.indexOf(target);
    if (index !== null) how(answer, index, goOnFrom);
  };
  const step = (event) => {
    const by = { ...STEPS, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined || answer.trace.length === 0) return;
    event.preventDefault();
    const from = explained ?? (by > 0 ? -1 : answer.trace.length);
    pin(answer, Math.min(answer.trace.length - 1, Math.max(0, from + by)), goOnFrom);
  };
  const leave = () => !inspected.value?.pinned && dismiss();
  return html`
    <div class="text tokens" ref=${box} tabindex="0" role="group" aria-label="Answer; arrow keys explain its words"
      onPointerOver=${explain(look)} onPointerLeave=${leave} onClick=${explain(pin)} onKeyDown=${step} />`;
}
