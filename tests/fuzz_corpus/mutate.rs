//! Changes to inputs, the same for the same seed.

/// Sebastiano Vigna's SplitMix64: small, and good enough to choose.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, or 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        // The remainder is below a `usize`.
        (self.next() % (end.max(1) as u64)) as usize
    }
}

/// The most bytes of an input: what is slow by its length alone is not looked for here.
const MOST: usize = 8 * 1024;

/// Returns an input with a few changes: bits turned, bytes put in, taken out and doubled, and pieces of other inputs put
/// in, which are the words of the format.
pub(crate) fn mutate(input: &[u8], others: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_owned();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => bytes.insert(at, INTERESTING[random.below(INTERESTING.len())]),
            2 => drop(bytes.drain(at..(at + 1 + random.below(16)).min(bytes.len()).max(at))),
            3 => {
                let end = (at + 1 + random.below(32)).min(bytes.len());
                let piece = bytes[at..end].repeat(1 + random.below(8));
                bytes.splice(at..at, piece);
            }
            _ => {
                let other = &others[random.below(others.len())];
                let start = random.below(other.len());
                let end = (start + 1 + random.below(24)).min(other.len());
                bytes.splice(at..at, other[start..end].iter().copied());
            }
        }
        bytes.truncate(MOST);
    }
    bytes
}

/// Bytes that mean something in one format or another.
const INTERESTING: [u8; 24] = *b"\0\n\r\t \"#$&'*/:=?@[]{}|~\x7f\xff";

#[test]
fn changes_are_the_same_for_the_same_seed_and_reach_every_kind() {
    let input = b"some input".to_vec();
    let others = [input.clone(), b"another".to_vec(), Vec::new()];
    let changed = |seed| mutate(&input, &others, &mut Random::new(seed));
    let all: Vec<Vec<u8>> = (0..200).map(changed).collect();
    assert_eq!(all, (0..200).map(changed).collect::<Vec<_>>());
    let unlike = all.iter().filter(|bytes| **bytes != input).count();
    assert!(unlike > 180, "{unlike}");
    assert!(all.iter().any(|bytes| bytes.len() < input.len()));
    assert!(all.iter().any(|bytes| bytes.len() > 2 * input.len()));
    assert!(all.iter().any(|bytes| bytes.windows(4).any(|piece| piece == b"anot")));
    assert!(mutate(&[7; MOST], &others, &mut Random::new(1)).len() <= MOST);
    // Where there is nothing to change, something comes in.
    assert!((0..20).any(|seed| !mutate(b"", &[Vec::new()], &mut Random::new(seed)).is_empty()));
}
