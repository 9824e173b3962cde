// A number with its range. What is outside of it is not taken, and the reader is told.

import { html } from "../html.js";
import { notice } from "../library.js";

/** `value` null is shown as an empty field; where `empty` is given, an empty field means that value. `whole`: no fractions. */
export function NumberField({ name, label, about, value, min, max, whole, empty, onchange }) {
  const take = ({ target }) => {
    const given = target.value === "" && empty !== undefined ? empty : target.valueAsNumber;
    const quoted = `“${label}”`;
    if (given >= min && given <= max && (!whole || Number.isInteger(given))) {
      onchange(given);
      if (notice.peek()?.startsWith(quoted)) notice.value = null;
    } else {
      notice.value = `${quoted} takes a ${whole ? "whole " : ""}number from ${min} to ${max}.`;
      target.value = value ?? "";
    }
  };
  return html`
    <label title=${about}>${label}
      <input type="number" name=${name} value=${value ?? ""} min=${min} max=${max} step=${whole ? 1 : "any"}
        placeholder=${empty === undefined ? undefined : "no limit"} onChange=${take} />
    </label>`;
}
