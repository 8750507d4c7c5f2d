package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const (
	// requestTimeout is how long one question may take, its wait for the limit below included.
	requestTimeout = 5 * time.Second
	// perSecond and burst bound what a service asks about its operator, which needs a question a minute: whoever sends
	// made-up tokens should not reach the API server through TheEye.
	perSecond = 10
	burst     = 20
	// peoplePerSecond and peopleBurst do so for people. The first answer to somebody new may take a question for every
	// verb in each of a hundred namespaces, and ten such people twenty a second each from then on; the API server answers
	// one in less than a millisecond. What each may ask by name is bounded apart (askers).
	peoplePerSecond = 200
	peopleBurst     = 600
)

// Config returns how to reach the API server: by the kubeconfig at a path, or as the pod that this process runs in when
// the path is empty.
func Config(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("find API server: %w; outside a cluster set --kubeconfig", err)
		}
		return config, nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return config, nil
}

// Client asks a Kubernetes API server. It knows only the types of its questions: a whole clientset would make every
// binary larger by those of all resources.
type Client struct{ rest rest.Interface }

// NewClient returns a Client. It connects to nobody yet.
func NewClient(config *rest.Config) (*Client, error) { return newClient(config, perSecond, burst) }

// NewPeopleClient returns a Client that may ask as much as People does.
func NewPeopleClient(config *rest.Config) (*Client, error) {
	return newClient(config, peoplePerSecond, peopleBurst)
}

func newClient(config *rest.Config, perSecond float32, burst int) (*Client, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(authenticationv1.AddToScheme(scheme), authorizationv1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("register types: %w", err)
	}
	config = rest.CopyConfig(config)
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.QPS, config.Burst = perSecond, burst
	config.UserAgent = rest.DefaultKubernetesUserAgent()
	config.WarningHandlerWithContext = rest.NoWarnings{}
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make Kubernetes client: %w", err)
	}
	return &Client{client}, nil
}

// create posts a question to a path and reads the answer. What client-go logs on the way is dropped: at its most
// talkative that is bodies, and they have tokens.
func (c *Client) create(ctx context.Context, path string, question, answer runtime.Object) error {
	ctx, cancel := context.WithTimeout(klog.NewContext(ctx, klog.Logger{}), requestTimeout)
	defer cancel()
	return c.rest.Post().AbsPath(path).Body(question).Do(ctx).Into(answer)
}

// reviewToken asks whom a token belongs to, if it was made for an audience; for "" that is the API server's own.
func (c *Client) reviewToken(ctx context.Context, token, audience string) (authenticationv1.TokenReviewStatus, error) {
	var answer authenticationv1.TokenReview
	question := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if audience != "" {
		question.Spec.Audiences = []string{audience}
	}
	err := c.create(ctx, "/apis/authentication.k8s.io/v1/tokenreviews", question, &answer)
	if err != nil {
		return answer.Status, fmt.Errorf("review token: %w", err)
	}
	return answer.Status, nil
}

// reviewAccess asks whether a user has a permission.
func (c *Client) reviewAccess(ctx context.Context, user authenticationv1.UserInfo, p Permission) (allowed bool, err error) {
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for name, values := range user.Extra {
		extra[name] = authorizationv1.ExtraValue(values)
	}
	var answer authorizationv1.SubjectAccessReview
	question := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: p.Verb, Group: p.Group, Resource: p.Resource, Subresource: p.Subresource, Namespace: p.Namespace, Name: p.Name,
		},
	}}
	if err := c.create(ctx, "/apis/authorization.k8s.io/v1/subjectaccessreviews", question, &answer); err != nil {
		return false, fmt.Errorf("review access: %w", err)
	}
	return answer.Status.Allowed && !answer.Status.Denied, nil
}
