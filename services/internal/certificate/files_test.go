package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/theeye-dev/theeye/services/internal/testenv"
)

// mount is a Secret as the kubelet mounts it: files are links through ..data, which is swapped as a whole.
type mount struct {
	t   *testing.T
	dir string
	now time.Time
	log bytes.Buffer
}

func newMount(t *testing.T, identity *testenv.Identity) *mount {
	t.Helper()
	m := &mount{t: t, dir: t.TempDir(), now: time.Now()}
	m.swap(filepath.Dir(identity.CertFile))
	for _, name := range []string{"tls.crt", "tls.key"} {
		m.must(os.Symlink(filepath.Join("..data", name), m.file(name)))
	}
	return m
}

func (m *mount) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *mount) file(name string) string { return filepath.Join(m.dir, name) }

// swap does what the kubelet does: a new link under another name, which is renamed over the old one.
func (m *mount) swap(to string) {
	m.t.Helper()
	m.must(os.Symlink(to, m.file("..data_tmp")))
	m.must(os.Rename(m.file("..data_tmp"), m.file("..data")))
}

func (m *mount) open() *files[*tls.Certificate] {
	m.t.Helper()
	pair, err := open(slog.New(slog.NewTextHandler(&m.log, nil)), parsePair, m.file("tls.crt"), m.file("tls.key"))
	m.must(err)
	pair.now, pair.looked = func() time.Time { return m.now }, m.now
	return pair
}

// after is what is shown when lookEvery has passed.
func (m *mount) after(pair *files[*tls.Certificate]) *big.Int {
	m.now = m.now.Add(lookEvery)
	return pair.get().Leaf.SerialNumber
}

func (m *mount) complaints() int { return strings.Count(m.log.String(), "level=ERROR") }

func TestASwappedLinkIsSeenWithinABound(t *testing.T) {
	t.Parallel()
	ca := testenv.NewAuthority(t)
	first, second := ca.Issue(t), ca.Issue(t)
	m := newMount(t, first)
	pair := m.open()
	m.swap(filepath.Dir(second.CertFile))
	if got := pair.get().Leaf.SerialNumber; got.Cmp(first.Serial) != 0 {
		t.Error("the files are looked at for every connection")
	}
	if got := m.after(pair); got.Cmp(second.Serial) != 0 {
		t.Errorf("the pair of before is still shown: %s", m.log.String())
	}
	if m.complaints() > 0 || strings.Count(m.log.String(), "read again") != 1 {
		t.Errorf("logged %s", m.log.String())
	}
}

// What cannot be used is logged once, however often it is looked at, and leaves the pair before in use until there is a
// good one.
func TestABrokenPairKeepsTheOldOne(t *testing.T) {
	t.Parallel()
	ca := testenv.NewAuthority(t)
	first, second := ca.Issue(t), ca.Issue(t)
	read := func(path string) []byte {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	cert, key := read(second.CertFile), read(second.KeyFile)
	for name, broken := range map[string]struct{ cert, key []byte }{
		"half a certificate":    {cert[:len(cert)/2], key},
		"an empty certificate":  {nil, key},
		"half a key":            {cert, key[:len(key)/2]},
		"the key of another":    {cert, read(first.KeyFile)},
		"a key for certificate": {key, cert},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t, first)
			pair := m.open()
			dir := t.TempDir()
			written := m.now
			put := func(cert, key []byte) { // always of the same time, as two writes within a tick of the clock are
				for file, content := range map[string][]byte{"tls.crt": cert, "tls.key": key} {
					m.must(os.WriteFile(filepath.Join(dir, file), content, 0o600))
					m.must(os.Chtimes(filepath.Join(dir, file), written, written))
				}
			}
			put(broken.cert, broken.key)
			m.swap(dir)
			for range 3 {
				if got := m.after(pair); got.Cmp(first.Serial) != 0 {
					t.Fatal("the old pair is not shown")
				}
			}
			if m.complaints() != 1 {
				t.Errorf("complained %d times:\n%s", m.complaints(), m.log.String())
			}
			put(cert, key) // in place: the same files, whole at last
			if got := m.after(pair); got.Cmp(second.Serial) != 0 {
				t.Errorf("the whole pair is not shown:\n%s", m.log.String())
			}
		})
	}
}

// Files that are away for a while, and come back as they were, are complained about once for each time.
func TestFilesThatAreAway(t *testing.T) {
	t.Parallel()
	first := testenv.NewAuthority(t).Issue(t)
	m := newMount(t, first)
	pair := m.open()
	for complaints := 1; complaints <= 2; complaints++ {
		m.swap(t.TempDir())
		for range 2 {
			if got := m.after(pair); got.Cmp(first.Serial) != 0 {
				t.Fatal("the pair is lost")
			}
		}
		m.swap(filepath.Dir(first.CertFile))
		m.after(pair)
		if m.complaints() != complaints {
			t.Errorf("complained %d times, want %d:\n%s", m.complaints(), complaints, m.log.String())
		}
	}
}

func TestAFirstPairMustBeGood(t *testing.T) {
	t.Parallel()
	ca := testenv.NewAuthority(t)
	a, b := ca.Issue(t), ca.Issue(t)
	log := slog.New(slog.DiscardHandler)
	for name, c := range map[string]struct{ cert, key, says string }{
		"no certificate":    {a.CertFile + "x", a.KeyFile, "no such file"},
		"no key":            {a.CertFile, a.KeyFile + "x", "no such file"},
		"another's key":     {a.CertFile, b.KeyFile, "does not match"},
		"the wrong way":     {a.KeyFile, a.CertFile, "PEM"},
		"not a file at all": {filepath.Dir(a.CertFile), a.KeyFile, "directory"},
	} {
		if _, err := Server(c.cert, c.key, log); err == nil || !strings.Contains(err.Error(), c.says) ||
			!strings.Contains(err.Error(), c.cert) && !strings.Contains(err.Error(), c.key) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, file := range []string{a.KeyFile, a.KeyFile + "x"} {
		if _, err := OpenAuthorities(file, log); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("authorities of %s: %v", file, err)
		}
	}
}

func TestDistrust(t *testing.T) {
	t.Parallel()
	ca, other := testenv.NewAuthority(t), testenv.NewAuthority(t)
	for want, identity := range map[string]*testenv.Identity{
		"":                                      ca.Issue(t),
		"no trusted authority has signed it":    other.Issue(t),
		"it is for another name than the URL's": ca.IssueAs(t, func(c *x509.Certificate) { c.IPAddresses = nil }),
		"it has expired, or is not valid yet":   ca.IssueAs(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
	} {
		config, err := Server(identity.CertFile, identity.KeyFile, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		authorities, err := OpenAuthorities(ca.File, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		err = shake(t, config, authorities)
		if got := Distrust(err); got != want || (err == nil) != (want == "") {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
	if got := Distrust(os.ErrNotExist); got != "" {
		t.Errorf("another fault is %q", got)
	}
}

// shake makes a connection to a server with a configuration, by its address: no name is sent, and the address is
// verified all the same.
func shake(t *testing.T, config *tls.Config, authorities *Authorities) error {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return // the listener was closed: the client has failed before
		}
		_ = conn.(*tls.Conn).HandshakeContext(t.Context()) //nolint:forcetypeassert // what tls.Listen accepts; the client tells how it went
		_ = conn.Close()
	}()
	conn, err := authorities.Dial(nil, time.Minute)(t.Context(), "tcp", listener.Addr().String())
	if err == nil {
		_ = conn.Close()
	}
	_ = listener.Close()
	<-done
	return err
}
