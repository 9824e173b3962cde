// The turns of the open conversation. It follows the newest words, unless the reader has scrolled away from them.

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { current } from "../library.js";
import { Icon } from "./icon.js";
import { TurnView } from "./turn-view.js";
import { Welcome } from "./welcome.js";

/** How near to the end, in pixels, a reader still follows it. */
const NEAR = 60;

const following = signal(true);

const isNear = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;

export function ConversationView() {
  const box = useRef();
  const content = useRef();
  const last = useRef(0);
  const conversation = current.value;
  const turns = conversation.turns.value;
  const toEnd = () => {
    // The observer below is heard once more when the view is left.
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  useEffect(() => {
    const grown = new ResizeObserver(() => following.peek() && toEnd());
    grown.observe(content.current);
    return () => grown.disconnect();
  }, []);
  // A question that was just asked is where the reader wants to be.
  useEffect(() => {
    following.value = turns.length > 0;
    if (turns.length > 0) toEnd();
  }, [conversation, turns.length]);
  // An answer that grows moves its end away from the reader: only going back means that somebody reads there.
  const scrolled = () => {
    const { scrollTop } = box.current;
    if (isNear(box.current)) following.value = true;
    else if (scrollTop < last.current) following.value = false;
    last.current = scrollTop;
  };
  return html`
    <div class="scroller" ref=${box} onScroll=${scrolled} tabindex="0" role="region" aria-label="Conversation">
      <div ref=${content}>
        ${turns.length === 0 && html`<${Welcome} />`}
        ${turns.map((turn, at) => html`<${TurnView} key=${turn.id} conversation=${conversation} turn=${turn} at=${at} />`)}
      </div>
      ${!following.value && turns.length > 0 && html`
        <button class="latest" onClick=${() => { following.value = true; toEnd(); }}><${Icon} name="down" />Latest</button>`}
    </div>`;
}
