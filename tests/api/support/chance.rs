//! Chance that can be repeated: everything follows from a seed, which a failing test prints.

use meowsenger::auth::secrets::random_hex;

/// SplitMix64: small, and good enough to choose among operations.
pub struct Chance(u64);

impl Chance {
    /// From `MEOW_TEST_SEED`, or a new seed. It is printed, so that a failure can be repeated.
    pub fn new(what: &str) -> Self {
        Self::from_variable("MEOW_TEST_SEED", what)
    }

    /// The same from another variable.
    pub fn from_variable(name: &str, what: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "who repeats a failure sets it")]
        let given = std::env::var(name).ok();
        let seed = given.unwrap_or_else(|| random_hex::<8>().expect("random"));
        #[expect(clippy::print_stdout, reason = "shown where the test fails")]
        {
            println!("{what}: {name}={seed}");
        }
        Self(u64::from_str_radix(&seed, 16).expect("a seed in hex"))
    }

    /// Another source, for somebody who acts at the same time.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).expect("small")).expect("small")
    }

    /// True in one case of `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        if among.is_empty() { None } else { among.get(self.below(among.len())) }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
