//! One tile's bytes, row by row: how values are put in and read back.

use half::f16;

use crate::encoding::Encoding;
use crate::format::{BLOCK_LEN, CODEBOOK, Format, TILE};
use crate::four_bits;
use crate::rounding::Rounding;
use crate::unit::Unit;

/// Bytes of 4 inputs of all outputs.
const GROUP: usize = 4 * TILE;
/// Groups of 4 inputs in a block.
const GROUPS: usize = BLOCK_LEN / 4;

/// A tile being filled: 16 rows of a matrix, all zeros at first.
#[derive(Debug)]
pub struct TileRows<'a> {
    format: Format,
    inputs: usize,
    bytes: &'a mut [u8],
}

impl<'a> TileRows<'a> {
    pub(crate) fn new(format: Format, inputs: usize, bytes: &'a mut [u8]) -> Self {
        Self { format, inputs, bytes }
    }

    /// Set a row from single-precision values, finite and within [`Format::largest`]; rounded unless the format is `F32`. Says what
    /// rounding did to them.
    ///
    /// # Panics
    /// If the row is not `inputs` long, or the format is neither `F32`, `Q4_1` nor `Q8_0`: only units fill the others.
    pub fn set_values(&mut self, lane: usize, values: &[f32]) -> Rounding {
        assert_eq!(values.len(), self.inputs, "a row has one value per input");
        let quantise: fn(&[f32]) -> Unit = match self.format {
            Format::F32 => {
                for (i, v) in values.iter().enumerate() {
                    let at = (i * TILE + lane) * 4;
                    self.bytes[at..at + 4].copy_from_slice(&v.to_ne_bytes());
                }
                return Rounding::default();
            }
            Format::Q4_1 => four_bits::quantise,
            Format::Q8_0 => Unit::quantise,
            format => panic!("a {format:?} tile is filled from units"),
        };
        let mut rounding = Rounding::default();
        for (index, values) in values.chunks(BLOCK_LEN).enumerate() {
            let (unit, mut rounded) = (quantise(values), [0.0; BLOCK_LEN]);
            self.set_unit(lane, index, &unit);
            unit.dequantise(self.format, &mut rounded[..values.len()]);
            rounding += Rounding::of(values, &rounded);
        }
        rounding
    }

    /// Set a row from a file's bytes; rounded to the tile's format, if that is `Q8_0` or `Q4_1` and the encoding has no units of it. Says
    /// what rounding did to the values.
    ///
    /// # Errors
    /// The first value that is not finite or is larger than [`Format::largest`]: its place in the row and what it is.
    ///
    /// # Panics
    /// If `row` has not the bytes of a row, or the encoding cannot be kept in the tile's format.
    pub fn set_encoded(&mut self, lane: usize, encoding: Encoding, row: &[u8]) -> Result<Rounding, (usize, f32)> {
        if encoding.has_units() && encoding.format() == self.format {
            let len = self.format.unit_blocks() * BLOCK_LEN;
            for index in 0..self.inputs / len {
                let unit = encoding.unit(row, index);
                if !unit.is_finite() {
                    let bad = if unit.scale.is_finite() { unit.min } else { unit.scale };
                    return Err((index * len, bad.to_f32()));
                }
                self.set_unit(lane, index, &unit);
            }
            return Ok(Rounding::default());
        }
        let mut values = vec![0.0; self.inputs];
        encoding.dequantise(row, &mut values);
        let largest = self.format.largest();
        if let Some(bad) = values.iter().position(|v| v.is_nan() || v.abs() > largest) {
            return Err((bad, values[bad]));
        }
        Ok(self.set_values(lane, &values))
    }

    /// Set one unit of a row, of the tile's format.
    ///
    /// # Panics
    /// If there is no such unit or the format is `F32`.
    pub fn set_unit(&mut self, lane: usize, unit: usize, values: &Unit) {
        let format = self.format;
        assert!(format != Format::F32, "an F32 tile is filled from values");
        let bytes = &mut self.bytes[unit * format.unit_bytes()..(unit + 1) * format.unit_bytes()];
        bytes[2 * lane..2 * lane + 2].copy_from_slice(&values.scale.to_ne_bytes());
        if format.has_min() {
            bytes[2 * (TILE + lane)..2 * (TILE + lane) + 2].copy_from_slice(&values.min.to_ne_bytes());
        }
        let (head, body) = bytes.split_at_mut(format.body());
        if format.is_staged() {
            for (b, factors) in values.factors.iter().enumerate() {
                let given = factors.iter().take(format.factors()).enumerate();
                given.for_each(|(which, factor)| head[format.factor(b, which) + lane] = *factor);
            }
        }
        for (q, body) in values.q.iter().zip(body.chunks_exact_mut(format.body_bytes())) {
            set_block(format, lane, q, body);
        }
    }
}

/// Put the quantised values of one row's block into a tile's block: groups of 4 inputs, each `[16 outputs][4]` bytes.
///
/// * 8 bits: 8 groups.
/// * Fewer: 4 groups whose low halves are the low 4 bits of groups 0 to 3 and whose high halves those of groups 4 to 7;
/// * then, with 5 bits, one group whose bit `g` is the fifth of group `g`;
/// * with 6 bits, two groups whose bits `2g` and `2g + 1` are the highest of groups `g` and `4 + g`.
fn set_block(format: Format, lane: usize, q: &[u8; BLOCK_LEN], body: &mut [u8]) {
    let mut group = |index: usize, word: u32| {
        body[index * GROUP + 4 * lane..][..4].copy_from_slice(&word.to_le_bytes());
    };
    let words: [u32; GROUPS] =
        std::array::from_fn(|g| u32::from_le_bytes([q[4 * g], q[4 * g + 1], q[4 * g + 2], q[4 * g + 3]]));
    if format.bits() == 8 {
        words.iter().enumerate().for_each(|(g, word)| group(g, *word));
        return;
    }
    for g in 0..4 {
        group(g, words[g] & 0x0f0f_0f0f | (words[g + 4] & 0x0f0f_0f0f) << 4);
    }
    let high = words.map(|word| word >> 4 & 0x0f0f_0f0f);
    match format.bits() {
        5 => group(4, (0..GROUPS).fold(0, |all, g| all | high[g] << g)),
        6 => (0..2).for_each(|half| group(4 + half, (0..4).fold(0, |all, g| all | high[4 * half + g] << (2 * g)))),
        _ => {}
    }
}

/// The integers of a tile's block that are multiplied: `[group of 4 inputs][16 outputs][4]`.
pub fn groups(format: Format, body: &[u8]) -> [[u8; GROUP]; GROUPS] {
    std::array::from_fn(|g| {
        std::array::from_fn(|i| {
            if format.bits() == 8 {
                return body[g * GROUP + i];
            }
            let low = body[g % 4 * GROUP + i] >> (4 * (g / 4)) & 15;
            if format.has_codebook() {
                return CODEBOOK[usize::from(low)];
            }
            low | match format.bits() {
                5 => (body[4 * GROUP + i] >> g & 1) << 4,
                6 => (body[(4 + g / 4) * GROUP + i] >> (2 * (g % 4)) & 3) << 4,
                _ => 0,
            }
        })
    })
}

/// Read a row back as single precision into `out`, as many inputs as it takes.
pub fn read_row(format: Format, tile: &[u8], lane: usize, out: &mut [f32]) {
    if format == Format::F32 {
        for (out, bytes) in out.iter_mut().zip(tile.chunks_exact(GROUP)) {
            let bytes = &bytes[4 * lane..];
            *out = f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        return;
    }
    let len = format.unit_blocks() * BLOCK_LEN;
    for (unit, out) in tile.chunks_exact(format.unit_bytes()).zip(out.chunks_mut(len)) {
        let half = |at: usize| f16::from_ne_bytes([unit[at], unit[at + 1]]);
        let min = if format.has_min() { half(2 * (TILE + lane)) } else { f16::ZERO };
        let mut values = Unit { scale: half(2 * lane), min, ..Unit::ZERO };
        if format.is_staged() {
            for (b, factors) in values.factors.iter_mut().enumerate() {
                let kept = factors.iter_mut().take(format.factors()).enumerate();
                kept.for_each(|(which, factor)| *factor = unit[format.factor(b, which) + lane]);
            }
        }
        for (q, body) in values.q.iter_mut().zip(unit[format.body()..].chunks_exact(format.body_bytes())) {
            read_block(format, body, lane, q);
        }
        values.dequantise(format, out);
    }
}

/// One row's quantised values of a tile's block.
fn read_block(format: Format, body: &[u8], lane: usize, q: &mut [u8; BLOCK_LEN]) {
    let word = |index: usize| {
        let bytes = &body[index * GROUP + 4 * lane..];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    };
    for (g, q) in q.chunks_exact_mut(4).enumerate() {
        let all = match format.bits() {
            8 => word(g),
            bits => {
                let high = match bits {
                    5 => word(4) >> g & 0x0101_0101,
                    6 => word(4 + g / 4) >> (2 * (g % 4)) & 0x0303_0303,
                    _ => 0,
                };
                word(g % 4) >> (4 * (g / 4)) & 0x0f0f_0f0f | high << 4
            }
        };
        q.copy_from_slice(&all.to_le_bytes());
    }
}
