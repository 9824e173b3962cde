//! Launches that must not fail.

use pad_kernels::device::Launch;

use crate::library::Order;

impl Order {
    /// Runs kernels one after another.
    pub fn run(self, launches: &[Launch]) {
        for launch in launches {
            if let Err(message) = self.try_run(launch) {
                panic!("{}: {message}", launch.kernel);
            }
        }
    }
}
