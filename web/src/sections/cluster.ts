/** An order in which alike things stand together: leaves of average linkage (Sokal and Michener 1958). */

export function clustered(size: number, similarity: (a: number, b: number) => number): number[] {
  let groups = Array.from({ length: size }, (_, i) => ({ leaves: [i] }));
  const between = Array.from({ length: size }, (_, a) => Float64Array.from({ length: size }, (_, b) => (a === b ? 0 : similarity(a, b))));
  const link = (a: { leaves: number[] }, b: { leaves: number[] }) => {
    let sum = 0;
    for (const i of a.leaves) for (const j of b.leaves) sum += between[i]![j]!;
    return sum / (a.leaves.length * b.leaves.length);
  };
  while (groups.length > 1) {
    let [bestA, bestB, best] = [0, 1, -Infinity];
    for (let a = 0; a < groups.length; a++)
      for (let b = a + 1; b < groups.length; b++) {
        const s = link(groups[a]!, groups[b]!);
        if (s > best) [bestA, bestB, best] = [a, b, s];
      }
    const merged = { leaves: [...groups[bestA]!.leaves, ...groups[bestB]!.leaves] };
    groups = groups.filter((_, i) => i !== bestA && i !== bestB);
    groups.push(merged);
  }
  return groups[0]?.leaves ?? [];
}
