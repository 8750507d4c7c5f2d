// Package v1alpha1 has the Application resource, by which a platform team asks for everything that one client app
// needs: credentials, limits, origins, schemas and retention.
package v1alpha1
