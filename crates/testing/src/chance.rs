//! Repeatable randomness: everything follows from a seed, which a failing test prints.

use meowsenger::auth::secrets::random_hex;

/// A SplitMix64 generator: small, and good enough to choose among operations.
pub struct Chance(u64);

impl Chance {
    /// The same numbers for the same seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// Seeded from `MEOW_TEST_SEED`, or at random. Prints the seed, so that a failure can be repeated.
    pub fn new(what: &str) -> Self {
        Self::from_variable("MEOW_TEST_SEED", what)
    }

    /// The same with another variable.
    pub fn from_variable(name: &str, what: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "set to repeat a failure")]
        let given = std::env::var(name).ok();
        let seed = given.unwrap_or_else(|| random_hex::<8>().expect("random"));
        #[expect(clippy::print_stdout, reason = "shown when the test fails")]
        {
            println!("{what}: {name}={seed}");
        }
        Self(u64::from_str_radix(&seed, 16).expect("a seed in hex"))
    }

    /// An independent generator, for a concurrent task.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).expect("small")).expect("small")
    }

    /// True with probability `1 / n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A random element.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
