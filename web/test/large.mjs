// A table of 60 layers and 2,000 distinct patterns and some more: four kinds of attack, layers that share their blind spots in groups of ten. Deterministic.
export function large(layers = 60, trials = 5700) {
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
  const names = Array.from({ length: layers }, (_, i) => `layer_${String(i + 1).padStart(2, "0")}_of_group_${Math.floor(i / 10) + 1}`);
  const rows = [`trial,kind,goal,${names.join(",")}`];
  for (let t = 0; t < trials; t++) {
    const kind = Math.floor(random() * 4);
    // Most attacks beat nothing or nearly everything in a group; patterns repeat.
    const hard = random() < 0.004;
    const beaten = Array.from({ length: Math.ceil(layers / 10) }, () => random() < [0.02, 0.08, 0.15, 0.25][kind]);
    const cells = names.map((_, i) => (hard ? 1 : random() < (beaten[Math.floor(i / 10)] ? 0.85 : 0.004) ? 1 : 0));
    rows.push(`${t},kind_${kind},goal_${t % 500},${cells.join(",")}`);
  }
  return rows.join("\n") + "\n";
}
