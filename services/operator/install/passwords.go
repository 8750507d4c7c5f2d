package install

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// passwordBytes of randomness make a password that nobody guesses.
	passwordBytes = 32
	// attempts bounds how often somebody else may be faster in writing the Secret.
	attempts = 10
)

// SigningKey is the key of what auth encrypts its signing keys with, which no store knows.
const SigningKey = "signing-key-encryption"

// PasswordKeys are one for each user of Redis and each role of PostgreSQL, and the one that auth has for itself.
func PasswordKeys() []string {
	return []string{
		"redis-admin", "redis-auth", "redis-ingest", "redis-persistence", "postgres-admin", "postgres-auth", "postgres-persistence", SigningKey,
	}
}

// urlSafe is what needs no escape in a URL, in Redis' file of users and in SQL, in all of which passwords are put as they
// are.
var urlSafe = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`) //nolint:gochecknoglobals // compiled once

// Passwords makes the Secret of the passwords that an installation's own Redis and PostgreSQL have and of what auth
// encrypts with, as many of PasswordKeys as are asked for, with labels, unless it is there. To one that is there only
// missing keys are added, as to that of an earlier release: whatever has a password now would be shut out by another.
func Passwords(ctx context.Context, c client.Client, name client.ObjectKey, keys []string, labels map[string]string, p *Progress) error {
	for range attempts {
		secret := &corev1.Secret{}
		err := c.Get(ctx, name, secret)
		switch {
		case apierrors.IsNotFound(err):
			err = createPasswords(ctx, c, name, keys, labels, p)
		case err != nil:
			return fmt.Errorf("read Secret %s: %w", name, err)
		default:
			err = completePasswords(ctx, c, secret, keys, p)
		}
		switch {
		case apierrors.IsAlreadyExists(err), apierrors.IsConflict(err), apierrors.IsNotFound(err):
			p.say("Secret %s was just changed by somebody else: looking again", name)
		default:
			return err
		}
	}
	return fmt.Errorf("Secret %s was changed by somebody else %d times in a row", name, attempts) //nolint:staticcheck // Secret is a kind's name
}

func createPasswords(
	ctx context.Context, c client.Client, name client.ObjectKey, keys []string, labels map[string]string, p *Progress,
) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Labels: labels},
		Type:       corev1.SecretTypeOpaque,
		Data:       newPasswords(keys),
	}
	if err := c.Create(ctx, secret); err != nil {
		return fmt.Errorf("create Secret %s: %w", name, err)
	}
	p.say("made Secret %s with %s", name, strings.Join(keys, ", "))
	return nil
}

// completePasswords adds the missing keys, if the Secret is still as it was read.
func completePasswords(ctx context.Context, c client.Client, secret *corev1.Secret, keys []string, p *Progress) error {
	name := client.ObjectKeyFromObject(secret)
	if err := usable(secret, keys); err != nil {
		return fmt.Errorf("Secret %s: %w", name, err) //nolint:staticcheck // Secret is a kind's name
	}
	missing := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { _, there := secret.Data[key]; return there })
	if len(missing) == 0 {
		p.say("Secret %s has all passwords: nothing to do", name)
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]string{"resourceVersion": secret.ResourceVersion}, "data": newPasswords(missing),
	})
	if err != nil {
		return errors.New("encode passwords") // its error could have one
	}
	if err := c.Patch(ctx, secret, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("add to Secret %s: %w", name, err)
	}
	p.say("added to Secret %s: %s", name, strings.Join(missing, ", "))
	return nil
}

// usable finds what would only show when nothing can log in, and names no value.
func usable(secret *corev1.Secret, keys []string) error {
	var errs []error
	for _, key := range keys {
		value, there := secret.Data[key]
		switch {
		case !there:
		case key == SigningKey && len(bytes.TrimSpace(value)) < passwordBytes:
			errs = append(errs, fmt.Errorf("the value of %s must have %d bytes at least: auth does not start with less; "+
				"change it, or delete the key to have one made", key, passwordBytes))
		case key != SigningKey && !urlSafe.Match(value):
			errs = append(errs, fmt.Errorf("the value of %s must be of letters, digits, '.', '_', '~' and '-' alone, at least one, "+
				"and without a line break at its end: it stands in URLs; change it, or delete the key to have one made", key))
		}
	}
	return errors.Join(errs...)
}

func newPasswords(keys []string) map[string][]byte {
	made := make(map[string][]byte, len(keys))
	for _, key := range keys {
		var random [passwordBytes]byte
		_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the program instead
		made[key] = []byte(hex.EncodeToString(random[:]))
	}
	return made
}
