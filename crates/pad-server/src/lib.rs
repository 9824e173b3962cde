//! Routes, SSE, errors and limits.
