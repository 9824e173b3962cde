// Colours of rewards: four steps to each side of none, blue for more and orange for less, which are told apart in every kind of colour vision.

/** Rewards, in nats, at which the steps begin. */
export const STEPS = [0.2, 0.6, 1.4, 3];

/** The class of a reward's colour: `p1` to `p4`, `n1` to `n4`, or none. */
export function tintOf(reward) {
  const step = STEPS.filter((least) => Math.abs(reward) >= least).length;
  return step === 0 ? "" : `${reward > 0 ? "p" : "n"}${step}`;
}
