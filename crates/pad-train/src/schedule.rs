//! The schedule of a training: the pairs of every step and its learning rate.

use crate::draws::Draws;

/// The pairs of every step: each epoch takes all of them once, in its own order.
#[derive(Debug)]
pub struct Schedule {
    orders: Vec<Vec<usize>>,
    batch: usize,
    per_epoch: usize,
}

impl Schedule {
    /// `items` in `epochs` orders, drawn from streams `stream` and following of `seed`; `batch` of them in each step.
    pub fn new(seed: u64, batch: usize, items: &[usize], epochs: usize, stream: u64) -> Self {
        let per_epoch = items.len().div_ceil(batch);
        let order = |epoch: usize| {
            let mut order = items.to_vec();
            Draws::new(seed, stream + epoch as u64).shuffle(&mut order);
            order
        };
        Self { orders: (0..epochs).map(order).collect(), batch, per_epoch }
    }

    /// Steps of all epochs.
    pub fn steps(&self) -> usize {
        self.orders.len() * self.per_epoch
    }

    /// What step `step` takes.
    pub fn batch(&self, step: usize) -> Vec<usize> {
        let order = &self.orders[step / self.per_epoch];
        let start = step % self.per_epoch * self.batch;
        order[start..order.len().min(start + self.batch)].to_vec()
    }
}

/// The learning rate of step `step` (from 0) of `total`: linear warm-up over the first `warmup` of them, then cosine decay.
pub fn rate(highest: f64, step: usize, total: usize, warmup: f64) -> f64 {
    let up = (total as f64 * warmup).ceil().max(1.0);
    let at = step as f64;
    if at < up {
        return highest * (at + 1.0) / up;
    }
    let done = (at - up) / (total as f64 - up).max(1.0);
    highest * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let rates: Vec<f64> = (0..100).map(|step| rate(1.0, step, 100, 0.1)).collect();
        assert!((rates[0] - 0.1).abs() < 1e-9 && (rates[9] - 1.0).abs() < 1e-9);
        assert!(rates[10..].is_sorted_by(|a, b| a >= b) && rates[99] < 0.01 && rates[99] >= 0.0);
        assert!((rate(1.0, 0, 1, 0.1) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn every_epoch_takes_all_of_them_once() {
        let schedule = Schedule::new(0, 4, &(10..20).collect::<Vec<_>>(), 2, 5);
        assert_eq!(schedule.steps(), 6);
        let epoch = |from: usize| (from..from + 3).flat_map(|step| schedule.batch(step)).collect::<Vec<_>>();
        let (first, second) = (epoch(0), epoch(3));
        assert_ne!(first, second);
        for mut items in [first, second] {
            items.sort_unstable();
            assert_eq!(items, (10..20).collect::<Vec<_>>());
        }
    }
}
