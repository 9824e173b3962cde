//! Every operation against its twin in plain candle, on ragged shapes and odd sizes.

mod attention;
mod products;
mod random;
