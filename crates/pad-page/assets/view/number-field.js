// A number with its range. What is outside of it is not taken, and the reader is told.

import { html } from "../html.js";
import { notice } from "../library.js";

/** `value` null is shown as an empty field; where `empty` is given, an empty field means that value. `step` 1 takes whole numbers only. */
export function NumberField({ name, label, about, value, min, max, step, empty, onchange }) {
  const take = ({ target }) => {
    const given = target.value === "" && empty !== undefined ? empty : target.valueAsNumber;
    const whole = step !== "1" || Number.isInteger(given);
    const name = `“${label}”`;
    if (given >= min && given <= max && whole) {
      onchange(given);
      if (notice.peek()?.startsWith(name)) notice.value = null;
    } else {
      notice.value = `${name} takes a ${step === "1" ? "whole " : ""}number from ${min} to ${max}.`;
      target.value = value ?? "";
    }
  };
  return html`
    <label title=${about}>${label}
      <input type="number" name=${name} value=${value ?? ""} min=${min} max=${max} step=${step === "1" ? 1 : "any"} placeholder=${empty === undefined ? undefined : "no limit"} onChange=${take} />
    </label>`;
}
