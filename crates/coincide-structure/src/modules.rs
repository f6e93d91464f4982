//! Modules: gates under which nothing is shared with the rest of the structure (Dutuit and Rauzy 1996). For its probability a module is an event.

use crate::graph::Structure;

/// Which nodes are modules: the gates of the graph below whose inputs nothing outside uses, and the top. One pass in depth first, however deep.
pub(crate) fn modules(s: &Structure) -> Vec<bool> {
    let n = s.nodes.len();
    // When each node was met first and last, and when its inputs were done.
    let (mut first, mut last, mut done) = (vec![0u32; n], vec![0u32; n], vec![0u32; n]);
    let mut time = 1;
    let mut finished = Vec::with_capacity(n);
    let mut open = vec![(s.top.node(), 0)];
    first[s.top.node()] = 1;
    last[s.top.node()] = 1;
    while let Some((at, next)) = open.last_mut() {
        let at = *at;
        time += 1;
        match s.nodes[at].children().get(*next).map(|l| l.node()) {
            Some(input) => {
                *next += 1;
                last[input] = time;
                if first[input] == 0 {
                    first[input] = time;
                    open.push((input, 0));
                }
            }
            None => {
                done[at] = time;
                finished.push(at);
                open.pop();
            }
        }
    }
    let mut out = vec![false; n];
    // The earliest and the latest meeting with anything below a node.
    let (mut earliest, mut latest) = (vec![u32::MAX; n], vec![0u32; n]);
    for at in finished {
        for input in s.nodes[at].children().iter().map(|l| l.node()) {
            earliest[at] = earliest[at].min(earliest[input]).min(first[input]);
            latest[at] = latest[at].max(latest[input]).max(last[input]);
        }
        out[at] = !s.nodes[at].children().is_empty() && earliest[at] > first[at] && latest[at] < done[at];
    }
    out[s.top.node()] = true;
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Builder;

    #[test]
    fn what_shares_nothing_is_a_module() {
        let mut b = Builder::new();
        let e: Vec<_> = (0..6).map(|i| b.event(i)).collect();
        // Two gates that share an event, and one that shares none.
        let left = b.all([e[0], e[1]]);
        let right = b.all([e[1], e[2]]);
        let alone = b.at_least(2, [e[3], e[4], e[5]]);
        let top = b.any([left, right, alone]);
        let s = b.finish(top);
        let found = modules(&s);
        let of = |least: usize| s.nodes.iter().position(|n| n.children().len() == least && matches!(n, crate::graph::Node::AtLeast(..)));
        assert!(found[of(3).unwrap()] && found[s.top.node()]);
        assert_eq!(found.iter().filter(|m| **m).count(), 2, "{found:?}");
    }
}
