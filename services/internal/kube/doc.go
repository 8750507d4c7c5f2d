// Package kube asks a Kubernetes API server who a token belongs to, so that the operator needs no secret of TheEye's
// own: it sends its projected service account token, which is short-lived and made for one audience, and which only the
// API server can check.
//
//	request ──▶ Reviewer.Authorize ──▶ decided lately? ──▶ yes: the same again
//	                                        │ no
//	                                        └──▶ TokenReview (requests with one token share it) ──▶ remembered shortly
//
// What is certainly no such token never reaches the API server. A token itself is kept nowhere, only its SHA-256 is; it
// appears in no error, log or metric.
package kube
