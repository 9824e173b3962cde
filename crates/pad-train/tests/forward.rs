//! The transformer of training against golden logits, and its gradients against difference quotients.

mod tiny;

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use pad_train::{Adapter, Draws, Example, Head, Objective, Packed, Target};

/// All families but those whose parts have no gradient.
const FAMILIES: [&str; 14] = [
    "gemma",
    "gemma3",
    "gemma3-full",
    "llama",
    "llama-tied",
    "llama3-rope",
    "mistral-window",
    "olmo2",
    "phi3",
    "phi3-longrope",
    "qwen2",
    "qwen2-yarn",
    "qwen3",
    "smollm3",
];

#[test]
fn what_has_no_gradient_is_refused_by_name() {
    for (family, part) in [("gemma2", "a soft cap"), ("mixtral", "a mixture of experts"), ("qwen3-moe", "a mixture")] {
        let mut weights = pad_model::open(&tiny::path(family)).unwrap();
        let pool = Arc::new(pad_train::Pool::new(1));
        let message = pad_train::Backbone::load(weights.as_mut(), pool).unwrap_err().to_string();
        assert!(message.contains("training does not support") && message.contains(part), "{message}");
    }
}

#[derive(serde::Deserialize)]
struct Golden {
    prompts: Vec<Vec<u32>>,
    /// `[prompt][position][vocabulary]`
    logits: Vec<Vec<Vec<f32>>>,
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - max).exp()).sum();
    logits.iter().map(|x| f64::from(x - max) - sum.ln()).collect()
}

/// Every token that follows another one, as the answer to what precedes it; the two answers are two prompts that begin alike.
#[test]
fn log_probabilities_are_those_of_the_golden_logits() {
    for family in FAMILIES {
        let backbone = tiny::family(family, 2);
        let text = std::fs::read_to_string(tiny::path(family).join("golden.json")).unwrap();
        let golden: Golden = serde_json::from_str(&text).unwrap();
        let halves = |tokens: &[u32]| (tokens[..3].to_vec(), tokens[3..].to_vec());
        let examples: Vec<Example> = golden
            .prompts
            .iter()
            .filter(|tokens| tokens.len() > 5)
            .map(|tokens| {
                let (prompt, answer) = halves(tokens);
                // The other answer is shorter and must not be seen by the first, nor see it.
                Example { prompt, answers: [answer.clone(), answer[..2].to_vec()], dimension: 0 }
            })
            .collect();
        let packed = Packed::new(&examples, backbone.ropes());
        let layers = backbone.config().layers;
        let x = backbone.embed(&packed.tokens).unwrap();
        let x = backbone.layers(x, &packed, 0..layers, None).unwrap();
        let states = backbone.read(&x, &packed).unwrap();
        let got: Vec<f32> =
            backbone.vocabulary().log_probabilities(&states, &packed.targets, false).unwrap().to_vec1().unwrap();
        let mut want: Vec<f64> = Vec::new();
        for (tokens, logits) in golden.prompts.iter().zip(&golden.logits).filter(|(tokens, _)| tokens.len() > 5) {
            let all: Vec<f64> = (3..tokens.len()).map(|at| log_softmax(&logits[at - 1])[tokens[at] as usize]).collect();
            want.extend(&all);
            want.extend(&all[..2]);
        }
        assert_eq!(got.len(), want.len());
        for (at, (got, want)) in got.iter().zip(&want).enumerate() {
            assert!((f64::from(*got) - want).abs() < 1e-3, "{family}, token {at}: {got} instead of {want}");
        }
    }
}

struct Case {
    backbone: pad_train::Backbone,
    adapter: Adapter,
    examples: Vec<Example>,
}

impl Case {
    /// An adapter in all layers with a `B` that is not zero, and examples of several lengths, an answer of one token among them.
    fn new(family: &str) -> Self {
        let backbone = tiny::family(family, 2);
        let mut draws = Draws::new(3, 0);
        let layers = backbone.config().layers;
        let adapter = Adapter::new(backbone.config(), 0..layers, (2, 4.0), &Target::ALL, &mut draws).unwrap();
        for (_, var) in adapter.variables() {
            let values: Vec<f32> = (0..var.elem_count()).map(|_| 0.1 * draws.normal()).collect();
            var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
        }
        let mut tokens = |n: usize| (0..n).map(|_| draws.below(90) as u32).collect::<Vec<_>>();
        let mut example = |p, c, r| Example { prompt: tokens(p), answers: [tokens(c), tokens(r)], dimension: 0 };
        Self { backbone, adapter, examples: vec![example(4, 6, 3), example(1, 1, 5), example(7, 2, 1)] }
    }

    fn loss(&self, gradient: bool) -> Tensor {
        let packed = Packed::new(&self.examples, self.backbone.ropes());
        let layers = self.backbone.config().layers;
        let x = self.backbone.embed(&packed.tokens).unwrap();
        let x = self.backbone.layers(x, &packed, 0..layers, Some(&self.adapter)).unwrap();
        let states = self.backbone.read(&x, &packed).unwrap();
        let logs = self.backbone.vocabulary().log_probabilities(&states, &packed.targets, gradient).unwrap();
        let objective = Objective { beta: 0.1, mean_length: None, anchor: 0.0 };
        let references = [[-20.0, -10.0], [-4.0, -20.0], [-8.0, -4.0]];
        objective.loss(&logs, &packed.lengths, &references).unwrap().sum
    }
}

/// Checks the gradient of one variable along a random direction against the difference quotient of the loss.
fn check_slope(name: &str, var: &Var, gradients: &GradStore, draws: &mut Draws, loss: impl Fn() -> Tensor) {
    let gradient: Vec<f32> = gradients.get(var.as_tensor()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    assert!(size > 1e-6, "{name} has no gradient");
    // A random direction mixed with the gradient's own, so that the slope is well above rounding.
    let direction: Vec<f32> =
        gradient.iter().map(|g| g / size + 0.3 * draws.normal() / (gradient.len() as f32).sqrt()).collect();
    let values: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
    let at = |by: f32| {
        let moved: Vec<f32> = values.iter().zip(&direction).map(|(x, d)| x + by * d).collect();
        var.set(&Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap()).unwrap();
        f64::from(loss().to_scalar::<f32>().unwrap())
    };
    let step = 3e-3;
    let slope = (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * f64::from(step));
    at(0.0);
    let want: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
    assert!((slope - want).abs() < 0.02 * want.abs() + 2e-5, "{name}: slope {slope}, gradient says {want}");
}

#[test]
fn every_variable_gets_the_gradient_of_the_difference_quotient() {
    // Between them they have every part that a layer can have.
    for family in ["llama", "gemma3-full", "olmo2", "phi3-longrope", "smollm3"] {
        let case = Case::new(family);
        let gradients = case.loss(true).backward().unwrap();
        let mut draws = Draws::new(9, 0);
        for (name, var) in case.adapter.variables() {
            check_slope(&format!("{family}: {name}"), &var, &gradients, &mut draws, || case.loss(false));
        }
    }
}

/// Of `h + U (V^T h) + b` before the unembedding, away from the zeros that training starts from, with every part of the loss.
#[test]
fn heads_get_the_gradient_of_the_difference_quotient() {
    let backbone = tiny::family("llama", 2);
    let hidden = backbone.config().hidden;
    let mut draws = Draws::new(5, 0);
    let head = Head::new(hidden, 3, &mut draws).unwrap();
    for var in [&head.u, &head.b] {
        let values: Vec<f32> = (0..var.elem_count()).map(|_| 0.1 * draws.normal()).collect();
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
    }
    let lengths = [[4, 2], [1, 3]];
    let targets: Vec<u32> = (0..10).map(|_| draws.below(90) as u32).collect();
    let states: Arc<Vec<f32>> = Arc::new((0..targets.len() * hidden).map(|_| draws.normal()).collect());
    let objective = Objective { beta: 0.2, mean_length: Some(2.5), anchor: 0.5 };
    let loss = |gradient: bool| {
        let states = head.forward(Arc::clone(&states), backbone.pool()).unwrap();
        let logs = backbone.vocabulary().log_probabilities(&states, &targets, gradient).unwrap();
        objective.loss(&logs, &lengths, &[[-20.0, -9.0], [-5.0, -14.0]]).unwrap().sum
    };
    let gradients = loss(true).backward().unwrap();
    for (name, var) in head.variables("style") {
        check_slope(&name, &var, &gradients, &mut draws, || loss(false));
    }
}

/// Another prompt of the same length in front of the same answers changes what is predicted, but the rows read stay the answers'.
#[test]
fn prompts_are_seen_and_not_counted() {
    let case = Case::new("llama");
    let packed = Packed::new(&case.examples, case.backbone.ropes());
    let count: usize = case.examples.iter().map(Example::targets).sum();
    assert_eq!((packed.read.len(), packed.targets.len()), (count, count));
    let targets: Vec<u32> = case.examples.iter().flat_map(|e| e.answers.concat()).collect();
    assert_eq!(packed.targets, targets);
    let before = case.loss(false).to_scalar::<f32>().unwrap();
    let mut changed = Case { examples: case.examples.clone(), ..Case::new("llama") };
    changed.examples[0].prompt[0] += 1;
    assert_ne!(changed.loss(false).to_scalar::<f32>().unwrap(), before);
}
