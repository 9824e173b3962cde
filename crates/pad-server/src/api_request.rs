//! The extractor that every handler of a request for the model starts with.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use pad_api::{ChatRequest, CompletionRequest, EmbeddingsRequest, ResponseRequest, RewardsRequest};
use serde::de::DeserializeOwned;

use crate::ApiError;
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::spans::SpanRecorder;
use crate::standing_preference::Standing;
use crate::state::Shared;

/// A request that was read and asks for the served model.
pub(crate) struct ApiRequest<T> {
    pub(crate) shared: Arc<Shared>,
    /// Who asks.
    pub(crate) caller: Caller,
    /// Preferences that it brings beside its body.
    pub(crate) standing: Standing,
    /// Records what it goes through.
    pub(crate) recorder: SpanRecorder,
    pub(crate) body: T,
}

/// A body that may name a model.
pub(crate) trait NamesModel: DeserializeOwned {
    /// The model's name, if one is given.
    fn model(&self) -> Option<&str>;
}

impl<T: NamesModel> FromRequest<Arc<Shared>> for ApiRequest<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, ApiError> {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| ApiError::internal("the route does not ask for keys"))?;
        let standing = Standing::read(request.headers(), &caller)?;
        let recorder = request.extensions().get::<SpanRecorder>().cloned().unwrap_or_default();
        let JsonBody(body) = JsonBody::<T>::from_request(request, shared).await?;
        shared.state.model.check_name(body.model())?;
        Ok(Self { shared: Arc::clone(shared), caller, standing, recorder, body })
    }
}

macro_rules! names_model {
    ($($request:ty),* $(,)?) => {
        $(impl NamesModel for $request {
            fn model(&self) -> Option<&str> {
                self.model.as_deref()
            }
        })*
    };
}

names_model!(ChatRequest, CompletionRequest, EmbeddingsRequest, ResponseRequest, RewardsRequest);
