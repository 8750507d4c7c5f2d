// Package kube asks a Kubernetes API server who a token belongs to, and what its owner may do, so that TheEye needs no
// secrets and no roles of its own: the operator sends its projected service account token, which is short-lived and made
// for one audience; people send what they have for kubectl.
//
//	request ──▶ Reviewer.Authorize ──▶ decided lately? ──▶ yes: the same again
//	            People.Identify               │ no
//	            People.Allow                  └──▶ TokenReview, SubjectAccessReview (one for all who ask the same) ──▶ remembered shortly
//
// What is certainly no token of the operator never reaches the API server by Reviewer. A token itself is kept nowhere,
// only its SHA-256 is; it appears in no error, log or metric. An API server that does not answer allows nothing.
package kube
