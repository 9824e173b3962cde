//! The optimizer `AdamW`, with gradients that were summed over several passes, and a state that can be saved.

use candle_core::{Device, Tensor, Var, backprop::GradStore};

use crate::TrainError;

const BETAS: (f32, f32) = (0.9, 0.999);
const EPS: f32 = 1e-8;

/// The trained parameters and their moments.
#[derive(Debug)]
pub struct AdamW {
    slots: Vec<Slot>,
    weight_decay: f32,
    /// Steps done.
    pub steps: usize,
}

/// One variable.
#[derive(Debug)]
struct Slot {
    name: String,
    var: Var,
    gradient: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl AdamW {
    /// For these variables.
    pub fn new(variables: Vec<(String, Var)>, weight_decay: f32) -> Self {
        let slot = |(name, var): (String, Var)| {
            let zeros = vec![0.0; var.elem_count()];
            Slot { name, gradient: zeros.clone(), mean: zeros.clone(), square: zeros, var }
        };
        Self { slots: variables.into_iter().map(slot).collect(), weight_decay, steps: 0 }
    }

    /// Add one pass's gradients to this step's.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn accumulate(&mut self, gradients: &GradStore) -> Result<(), TrainError> {
        for slot in &mut self.slots {
            if let Some(gradient) = gradients.get(slot.var.as_tensor()) {
                let values = gradient.flatten_all()?.to_vec1::<f32>()?;
                slot.gradient.iter_mut().zip(values).for_each(|(sum, g)| *sum += g);
            }
        }
        Ok(())
    }

    /// Add gradients to this step's, one for each variable in their order, each as long as the variable.
    pub fn add(&mut self, gradients: &[Vec<f32>]) {
        for (slot, gradient) in self.slots.iter_mut().zip(gradients) {
            slot.gradient.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
        }
    }

    /// Move along the summed gradients, their norm cut to `clip`, and forget them. Gives the norm as it was.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] if the norm is not finite.
    pub fn step(&mut self, rate: f64, clip: f32) -> Result<f32, TrainError> {
        let square: f64 = self.slots.iter().flat_map(|slot| &slot.gradient).map(|g| f64::from(*g).powi(2)).sum();
        let norm = square.sqrt() as f32;
        if !norm.is_finite() {
            return Err(TrainError::Diverged(format!("the gradient of step {} is not finite", self.steps + 1)));
        }
        let shrink = if clip > 0.0 && norm > clip { clip / norm } else { 1.0 };
        self.steps += 1;
        let correct = |beta: f32| 1.0 - f64::from(beta).powi(self.steps as i32);
        let pace = (rate * correct(BETAS.1).sqrt() / correct(BETAS.0)) as f32;
        let eps = EPS * correct(BETAS.1).sqrt() as f32;
        let keep = 1.0 - rate as f32 * self.weight_decay;
        for slot in &mut self.slots {
            let mut values = slot.var.flatten_all()?.to_vec1::<f32>()?;
            let moments = slot.mean.iter_mut().zip(&mut slot.square);
            for ((x, g), (mean, square)) in values.iter_mut().zip(&mut slot.gradient).zip(moments) {
                let gradient = *g * shrink;
                *mean = BETAS.0 * *mean + (1.0 - BETAS.0) * gradient;
                *square = BETAS.1 * *square + (1.0 - BETAS.1) * gradient * gradient;
                *x = *x * keep - pace * *mean / (square.sqrt() + eps);
                *g = 0.0;
            }
            slot.var.set(&Tensor::from_vec(values, slot.var.shape(), &Device::Cpu)?)?;
        }
        Ok(norm)
    }

    /// The state between two steps: of every variable its values and moments.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>, TrainError> {
        let mut all = Vec::with_capacity(3 * self.slots.len());
        for slot in &self.slots {
            let tensor = |values: &[f32]| Tensor::from_slice(values, slot.var.shape(), &Device::Cpu);
            all.push((format!("mean.{}", slot.name), tensor(&slot.mean)?));
            all.push((format!("square.{}", slot.name), tensor(&slot.square)?));
        }
        Ok(all)
    }

    /// Go on from a state; `find` gives its tensors by name.
    ///
    /// # Errors
    /// What `find` says.
    pub fn restore(
        &mut self,
        steps: usize,
        find: impl Fn(&str, usize) -> Result<Vec<f32>, TrainError>,
    ) -> Result<(), TrainError> {
        for slot in &mut self.slots {
            slot.mean = find(&format!("mean.{}", slot.name), slot.mean.len())?;
            slot.square = find(&format!("square.{}", slot.name), slot.square.len())?;
        }
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_bottom_of_a_bowl() {
        let var = Var::new(&[3.0_f32, -2.0], &Device::Cpu).unwrap();
        let mut optimizer = AdamW::new(vec![("x".into(), var.clone())], 0.0);
        for _ in 0..400 {
            let loss = (var.as_tensor() - 1.0).unwrap().sqr().unwrap().sum_all().unwrap();
            optimizer.accumulate(&loss.backward().unwrap()).unwrap();
            optimizer.step(0.05, 1.0).unwrap();
        }
        let x = var.to_vec1::<f32>().unwrap();
        assert!(x.iter().all(|x| (x - 1.0).abs() < 1e-2), "{x:?}");
    }
}
