package auth

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/theeye-dev/theeye/api/apikey"
	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/services/internal/fault"
	"github.com/theeye-dev/theeye/services/internal/kit"
)

const (
	// maxBody is above what Kubernetes keeps of one resource (etcd refuses 1.5 MiB): what fits there fits here.
	maxBody = 2 << 20

	defaultPage = 100
	maxPage     = 1000

	// viewSummary is the value of the parameter view for records without policies and credentials.
	viewSummary = "summary"
)

func decodePage(_ context.Context, r *http.Request) (Page, error) {
	page := Page{Limit: defaultPage}
	given, err := kit.Parameters(r, "limit", "cursor", "cluster", "view")
	if err != nil {
		return page, err
	}
	if text, ok := given["limit"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return page, fault.New(fault.CodeParameter, "limit must be a number from 1 to "+strconv.Itoa(maxPage))
		}
		page.Limit = n
	}
	if text, ok := given["cursor"]; ok {
		if page.After, err = parseUID(text); err != nil {
			return page, fault.New(fault.CodeParameter, "cursor must be the next_cursor of an answer")
		}
	}
	return page, decodeSelection(&page, given)
}

// decodeSelection reads which applications are wanted, and how much of each. An empty cluster is refused: whoever asks
// for its own and has forgotten its name would take those kept by hand for its own.
func decodeSelection(page *Page, given map[string]string) error {
	if cluster, ok := given["cluster"]; ok {
		if !clusterID.MatchString(cluster) {
			return fault.New(fault.CodeParameter, "cluster must have 1 to 63 lower-case letters, digits and hyphens")
		}
		page.Cluster = cluster
	}
	if view, ok := given["view"]; ok {
		if view != viewSummary {
			return fault.New(fault.CodeParameter, "view must be "+viewSummary+", or left out")
		}
		page.Summary = true
	}
	return nil
}

func decodeUID(_ context.Context, r *http.Request) (uuid.UUID, error) {
	uid, err := parseUID(r.PathValue("uid"))
	if err != nil {
		return uid, fault.New(fault.CodeInvalid, err.Error())
	}
	return uid, nil
}

// parseUID takes the one form that Kubernetes writes; uuid.Parse would take others, and so one application two paths.
func parseUID(text string) (uuid.UUID, error) {
	uid, err := uuid.Parse(text)
	if err != nil || uid.String() != text || uid == uuid.Nil {
		return uuid.Nil, errors.New("uid must be a UUID in lower case with hyphens")
	}
	return uid, nil
}

func decodeKey(ctx context.Context, r *http.Request) (CredentialKey, error) {
	uid, err := decodeUID(ctx, r)
	if err != nil {
		return CredentialKey{}, err
	}
	key := CredentialKey{Application: uid, ID: r.PathValue("id")}
	if !apikey.ValidCredentialID(key.ID) {
		return key, fault.New(fault.CodeInvalid, "a credential's id must have 1 to 16 lower-case letters and digits")
	}
	return key, nil
}

func decodeApplication(ctx context.Context, r *http.Request) (want desiredApplication, err error) {
	if want.Key, err = decodeUID(ctx, r); err != nil {
		return want, err
	}
	if err := kit.DecodeJSON(r, maxBody, &want.State); err != nil {
		return want, err
	}
	if err := checkApplication(&want.State); err != nil {
		return want, fault.New(fault.CodeInvalid, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return want, nil
}

// Names are what Kubernetes takes as the names of namespaces and resources (RFC 1123 in lower case). Scripts rely on
// their having no quotes.
const (
	maxNamespace = 63
	maxName      = 253
)

var (
	dnsLabel     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	clusterID    = regexp.MustCompile(`^[-a-z0-9]{1,63}$`)
	dnsSubdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

// checkApplication returns every fault of a desired application, joined.
func checkApplication(want *registry.DesiredApplication) error {
	var errs []error
	if len(want.Namespace) > maxNamespace || !dnsLabel.MatchString(want.Namespace) {
		errs = append(errs, errors.New("namespace: must be a DNS-1123 label of at most 63 characters"))
	}
	if len(want.Name) > maxName || !dnsSubdomain.MatchString(want.Name) {
		errs = append(errs, errors.New("name: must be a DNS-1123 subdomain of at most 253 characters"))
	}
	if want.Cluster != "" && !clusterID.MatchString(want.Cluster) {
		errs = append(errs, errors.New("cluster: must have at most 63 lower-case letters, digits and hyphens"))
	}
	switch want.DeletionPolicy {
	case "", registry.Retain, registry.Erase:
	default:
		errs = append(errs, errors.New("deletionPolicy: must be Retain or Erase"))
	}
	return errors.Join(append(errs, want.Policy.Validate())...)
}

func decodeCredential(ctx context.Context, r *http.Request) (want desiredCredential, err error) {
	if want.Key, err = decodeKey(ctx, r); err != nil {
		return want, err
	}
	if err := kit.DecodeJSON(r, maxBody, &want.State); err != nil {
		return want, err
	}
	if want.State.SHA256 == (registry.Digest{}) {
		return want, fault.New(fault.CodeInvalid, "sha256 is missing")
	}
	if end := want.State.NotAfter; end != nil && (end.UTC().Year() < 1 || end.UTC().Year() > 9999) {
		return want, fault.New(fault.CodeInvalid, "notAfter must be within the years 1 to 9999 in UTC")
	}
	return want, nil
}
