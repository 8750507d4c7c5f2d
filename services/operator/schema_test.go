package operator

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/theeye-dev/theeye/api/registry"
	"github.com/theeye-dev/theeye/api/v1alpha1"
)

const ( // with their members in the order in which the API server gives them back
	goodSchema   = `{"required":["host"],"type":"object"}`
	betterSchema = `{"required":["host","path"],"type":"object"}`
	badSchema    = `{"type":"object","properties":{"host":{"type":"nonsense"}}}`
	badPointer   = "/properties/host/type"
)

// declares gives event types of one category their schemas, by name.
func declares(schemas ...[2]string) func(*v1alpha1.Application) {
	return func(app *v1alpha1.Application) {
		app.Spec.EventTypes = nil
		for _, s := range schemas {
			app.Spec.EventTypes = append(app.Spec.EventTypes, v1alpha1.EventType{
				Category: "page", Name: s[0], Schema: &runtime.RawExtension{Raw: []byte(s[1])},
			})
		}
	}
}

// declared is what auth has of an event type; the zero value: it does not know it.
func (w *world) declared(app *v1alpha1.Application, name string) registry.EventType {
	w.t.Helper()
	for _, t := range w.record(app).Policy.EventTypes {
		if t.Name == name {
			return t
		}
	}
	return registry.EventType{}
}

// A faulty schema stops its own type only: that keeps its last good schema, or is refused when it never had one. All
// else of the same change applies at once, and the condition says where the fault is.
func TestFaultySchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, secret := w.ready(w.apply("shop", declares([2]string{"view", goodSchema}, [2]string{"click", goodSchema})))
	if c := meta.FindStatusCondition(app.Status.Conditions, v1alpha1.ConditionSchemasValid); c.Reason != v1alpha1.ReasonValid {
		t.Errorf("SchemasValid is %+v", c)
	}

	w.change(app, func(a *v1alpha1.Application) {
		declares([2]string{"click", betterSchema}, [2]string{"new", badSchema}, [2]string{"view", badSchema})(a)
		a.Spec.Suspended = true
	})
	current := w.await(app, v1alpha1.ConditionSchemasValid, metav1.ConditionFalse, v1alpha1.ReasonSchemaInvalid)
	invalid := meta.FindStatusCondition(current.Status.Conditions, v1alpha1.ConditionSchemasValid)
	for _, want := range []string{
		"eventTypes[1].schema" + badPointer, "refused until it is mended",
		"eventTypes[2].schema" + badPointer, "checked by the last good one",
	} {
		if !strings.Contains(invalid.Message, want) {
			t.Errorf("%q does not say %q", invalid.Message, want)
		}
	}
	for condition, want := range map[string]bool{
		v1alpha1.ConditionReady: false, v1alpha1.ConditionStalled: true,
		v1alpha1.ConditionRegistered: true, v1alpha1.ConditionCredentialsPublished: true,
	} {
		if meta.IsStatusConditionTrue(current.Status.Conditions, condition) != want {
			t.Errorf("%s is not %t: %+v", condition, want, current.Status.Conditions)
		}
	}
	w.awaitEvent(app, corev1.EventTypeWarning, v1alpha1.ReasonSchemaInvalid, badPointer)
	if !w.record(app).Policy.Suspended {
		t.Error("it is not suspended")
	}
	for name, want := range map[string]registry.EventType{
		"click": {Schema: registry.Schema(betterSchema)},
		"view":  {Schema: registry.Schema(goodSchema)},
		"new":   {SchemaUnavailable: true},
	} {
		if got := w.declared(app, name); string(got.Schema) != string(want.Schema) || got.SchemaUnavailable != want.SchemaUnavailable {
			t.Errorf("%s has the schema %s (unavailable: %t), want %s", name, got.Schema, got.SchemaUnavailable, want.Schema)
		}
	}

	w.change(app, func(a *v1alpha1.Application) {
		declares([2]string{"new", goodSchema}, [2]string{"view", betterSchema})(a)
		a.Spec.Suspended = false
	})
	mended, _ := w.ready(app)
	if meta.FindStatusCondition(mended.Status.Conditions, v1alpha1.ConditionStalled) != nil {
		t.Errorf("still stalled: %+v", mended.Status.Conditions)
	}
	for name, want := range map[string]string{"new": goodSchema, "view": betterSchema, "click": ""} {
		if got := w.declared(app, name); string(got.Schema) != want || got.SchemaUnavailable {
			t.Errorf("%s has the schema %s (unavailable: %t), want %s", name, got.Schema, got.SchemaUnavailable, want)
		}
	}
	w.untouched(secret)
}

// The last good schema outlives the operator, and a change of another type.
func TestLastGoodSchemaIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app, _ := w.ready(w.apply("shop", declares([2]string{"view", goodSchema})))
	w.change(app, declares([2]string{"view", badSchema}))
	w.await(app, v1alpha1.ConditionSchemasValid, metav1.ConditionFalse, "")
	w.stop()
	w.change(app, declares([2]string{"view", badSchema}, [2]string{"click", betterSchema}))
	w.start()
	w.await(app, v1alpha1.ConditionRegistered, metav1.ConditionTrue, "")
	w.await(app, v1alpha1.ConditionSchemasValid, metav1.ConditionFalse, "")
	if view, click := w.declared(app, "view"), w.declared(app, "click"); string(view.Schema) != goodSchema || string(click.Schema) != betterSchema {
		t.Errorf("view has %s, click has %s", view.Schema, click.Schema)
	}
}

// An Application whose only schema is faulty has its credentials all the same: they do not depend on it.
func TestFaultySchemaFromTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.apply("shop", declares([2]string{"view", badSchema}))
	w.await(app, v1alpha1.ConditionSchemasValid, metav1.ConditionFalse, v1alpha1.ReasonSchemaInvalid)
	current := w.await(app, v1alpha1.ConditionCredentialsPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	secret, err := w.secret(current.SecretName())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.works(app, keyOf(secret)); err != nil {
		t.Error(err)
	}
	if got := w.declared(app, "view"); !got.SchemaUnavailable || got.Schema != nil {
		t.Errorf("auth has %+v", got)
	}
}
