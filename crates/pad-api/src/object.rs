//! Objects on the wire: the `object` tag of responses, and fields of requests that must be JSON objects.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The `object` field: what kind of object a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ObjectKind {
    /// A whole chat completion.
    #[serde(rename = "chat.completion")]
    ChatCompletion,
    /// A part of a streamed chat completion.
    #[serde(rename = "chat.completion.chunk")]
    ChatCompletionChunk,
    /// A completion of a plain prompt, or a part of one.
    #[serde(rename = "text_completion")]
    TextCompletion,
    /// A response.
    #[serde(rename = "response")]
    Response,
    /// The rewards of an answer.
    #[serde(rename = "rewards")]
    Rewards,
    /// The embedding of a text.
    #[serde(rename = "embedding")]
    Embedding,
    /// A model.
    #[serde(rename = "model")]
    Model,
    /// A stored profile.
    #[serde(rename = "preference_profile")]
    PreferenceProfile,
    /// All that is stored about a user.
    #[serde(rename = "preference_profile.export")]
    ProfileExport,
    /// What a user preferred among answers.
    #[serde(rename = "preference_profile.feedback")]
    Feedback,
    /// Answers for a user to choose from.
    #[serde(rename = "preference_profile.question")]
    Question,
    /// A list of models or dimensions.
    #[serde(rename = "list")]
    List,
}

/// A request type that is read from a JSON object only.
///
/// Derived readers also take an array as the fields in their order, which would let `["user", "hi"]` pass for a message.
/// The type derives its reader with `#[serde(remote = "Self")]` (an inherent function) and implements `Deserialize` by
/// [`objects`], or by [`only`].
pub(crate) trait Fields: Sized {
    /// What the object is, for the error where it is none.
    const EXPECTED: &'static str;

    /// The derived reader.
    fn fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Read a `T` from an object, refuse everything else.
pub(crate) fn only<'de, T: Fields, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(ObjectVisitor(PhantomData))
}

/// Types that are read from objects only: `Type: "what is expected"`.
macro_rules! objects {
    ($($type:ty: $expected:literal,)*) => {$(
        impl $crate::object::Fields for $type {
            const EXPECTED: &'static str = $expected;

            fn fields<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::deserialize(deserializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::object::only(deserializer)
            }
        }
    )*};
}

/// Of a type that is read from objects only, the derived writer is an inherent function as well.
macro_rules! written {
    ($($type:ty),*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }
    )*};
}

pub(crate) use {objects, written};

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::fields(MapAccessDeserializer::new(map))
    }
}
