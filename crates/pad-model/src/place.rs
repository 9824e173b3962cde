//! Where a part's rows are in a checkpoint: a tensor of its own, or a run of rows in one that several parts share.

use crate::{LayerPart, ModelConfig, Part, PartTensor};

/// Rows of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The tensor, with `.weight` or `.bias`.
    pub name: String,
    /// The shape that it must have.
    pub shape: Vec<usize>,
    /// The first of the rows, all but the last dimension taken together.
    pub first: usize,
}

impl Place {
    /// Where the part may be in a Hugging Face checkpoint, the likeliest first.
    pub fn hugging_face(config: &ModelConfig, part: Part, tensor: PartTensor) -> Vec<Self> {
        let shape = config.tensor_shape(part, tensor);
        let place = |name: String| Self { name: full(&name, tensor), shape: shape.clone(), first: 0 };
        let mut places = Vec::new();
        if let Part::Layer(layer, part) = part {
            let mixtral = |name: String| place(format!("model.layers.{layer}.block_sparse_moe.{name}"));
            match part {
                LayerPart::FeedForwardNorm => {
                    places.push(place(format!("model.layers.{layer}.pre_feedforward_layernorm")));
                }
                LayerPart::Router => places.push(mixtral("gate".to_owned())),
                LayerPart::ExpertGate(e) => places.push(mixtral(format!("experts.{e}.w1"))),
                LayerPart::ExpertDown(e) => places.push(mixtral(format!("experts.{e}.w2"))),
                LayerPart::ExpertUp(e) => places.push(mixtral(format!("experts.{e}.w3"))),
                _ => {}
            }
        }
        places.push(place(part.hugging_face()));
        let names = ("self_attn.qkv_proj", "mlp.gate_up_proj");
        places.extend(fused(config, part, tensor, |layer, which| {
            format!("model.layers.{layer}.{}", if which { names.0 } else { names.1 })
        }));
        places
    }

    /// The same in a GGUF file.
    pub fn gguf(config: &ModelConfig, part: Part, tensor: PartTensor) -> Vec<Self> {
        let shape = config.tensor_shape(part, tensor);
        let name = full(&part.gguf(), tensor);
        if let Part::Layer(_, LayerPart::ExpertGate(e) | LayerPart::ExpertUp(e) | LayerPart::ExpertDown(e)) = part {
            let rows = shape[0];
            let count = config.experts.map_or(0, |experts| experts.count);
            return vec![Self { name, shape: [&[count], &shape[..]].concat(), first: e * rows }];
        }
        let mut places = vec![Self { name, shape, first: 0 }];
        places.extend(fused(config, part, tensor, |layer, which| {
            format!("blk.{layer}.{}", if which { "attn_qkv" } else { "ffn_up" })
        }));
        places
    }
}

fn full(name: &str, tensor: PartTensor) -> String {
    format!("{name}.{}", tensor.name())
}

/// Where the part is if all that read the same input are one matrix: `name(layer, true)` of queries, keys and values, `name(layer,
/// false)` of gates and ups.
fn fused(config: &ModelConfig, part: Part, tensor: PartTensor, name: impl Fn(usize, bool) -> String) -> Option<Place> {
    let Part::Layer(layer, part) = part else { return None };
    let (queries, keys, width) =
        (config.heads * config.head_dim, config.kv_heads * config.head_dim, config.intermediate);
    let (attention, first) = match part {
        LayerPart::Query => (true, 0),
        LayerPart::Key => (true, queries),
        LayerPart::Value => (true, queries + keys),
        LayerPart::Gate => (false, 0),
        LayerPart::Up => (false, width),
        _ => return None,
    };
    let rows = if attention { queries + 2 * keys } else { 2 * width };
    let mut shape = vec![rows, config.hidden];
    shape.truncate(tensor.dimensions());
    Some(Place { name: full(&name(layer, attention), tensor), shape, first })
}

/// The first place whose tensor is there with the right shape or, where none is, the first whose tensor is there at all; with the shape
/// that was found.
pub fn choose<'s>(places: Vec<Place>, shape: impl Fn(&str) -> Option<&'s [usize]>) -> Option<(Place, &'s [usize])> {
    let mut there: Vec<(Place, &[usize])> =
        places.into_iter().filter_map(|place| shape(&place.name).map(|shape| (place, shape))).collect();
    let right = there.iter().position(|(place, shape)| place.shape == *shape).unwrap_or(0);
    (right < there.len()).then(|| there.swap_remove(right))
}
