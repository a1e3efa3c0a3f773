package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
)

// ManifestName is the file that makes a folder a release.
const ManifestName = "release.toml"

const goldenName = "golden.npz"

// Bounds on what a drop may hold; a drop comes from outside.
const (
	maxManifestBytes = 64 << 10
	maxFiles         = 16
)

// Manifest is release.toml.
type Manifest struct {
	Model   string            `toml:"model"`   // name of the configured model that this release replaces
	File    string            `toml:"file"`    // the model's file in the same folder
	Version string            `toml:"version"` // for people; the digest identifies the release
	SHA256  map[string]string `toml:"sha256"`  // file name → hash in hex, for every file but release.toml
	Golden  Golden            `toml:"golden"`

	// Digest is the SHA-256 of release.toml itself. As that lists the hashes of all files, it identifies the whole release.
	Digest string `toml:"-"`
}

// Golden says how golden.npz is compared.
type Golden struct {
	Tolerance float64 `toml:"tolerance"` // for floats, × max(1, |expected|); integers must be equal. Default 1e-4
}

const defaultTolerance = 1e-4

// ParseManifest reads release.toml strictly: an unknown key, a file name with a path in it or a malformed hash is an error.
func ParseManifest(data []byte) (*Manifest, error) {
	if len(data) > maxManifestBytes {
		return nil, fmt.Errorf("%s: %d bytes are more than the %d allowed", ManifestName, len(data), maxManifestBytes)
	}
	var m Manifest
	md, err := toml.NewDecoder(bytes.NewReader(data)).Decode(&m)
	if err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			return nil, fmt.Errorf("%s:%d: %s", ManifestName, pe.Position.Line, pe.Message)
		}
		return nil, fmt.Errorf("%s: %w", ManifestName, err)
	}
	if u := md.Undecoded(); len(u) > 0 {
		return nil, fmt.Errorf("%s: unknown key %q: remove it, or check its spelling", ManifestName, u[0].String())
	}
	for _, f := range []struct{ key, val string }{{"model", m.Model}, {"file", m.File}, {"version", m.Version}} {
		if f.val == "" {
			return nil, fmt.Errorf("%s: key %q is missing", ManifestName, f.key)
		}
	}
	if len(m.SHA256) == 0 || len(m.SHA256) > maxFiles {
		return nil, fmt.Errorf("%s: [sha256] lists %d files: it must list every file of the release, 1 to %d", ManifestName, len(m.SHA256), maxFiles)
	}
	for name, sum := range m.SHA256 {
		if name != filepath.Base(name) || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\\\x00") {
			return nil, fmt.Errorf("%s: [sha256] %q is no plain file name", ManifestName, name)
		}
		if b, err := hex.DecodeString(sum); err != nil || len(b) != sha256.Size {
			return nil, fmt.Errorf("%s: [sha256] of %q is no SHA-256: write 64 hexadecimal digits", ManifestName, name)
		}
		m.SHA256[name] = strings.ToLower(sum)
	}
	if _, ok := m.SHA256[m.File]; !ok {
		return nil, fmt.Errorf("%s: [sha256] has no hash of %q, the model's file", ManifestName, m.File)
	}
	if _, ok := m.SHA256[goldenName]; !ok {
		return nil, fmt.Errorf("%s: [sha256] has no hash of %q: a release proves itself with golden inputs and outputs", ManifestName, goldenName)
	}
	switch {
	case !md.IsDefined("golden", "tolerance"):
		m.Golden.Tolerance = defaultTolerance
	case !(m.Golden.Tolerance >= 0 && m.Golden.Tolerance <= 1):
		return nil, fmt.Errorf("%s: golden.tolerance %g is outside 0..1", ManifestName, m.Golden.Tolerance)
	}
	sum := sha256.Sum256(data)
	m.Digest = hex.EncodeToString(sum[:])
	return &m, nil
}

// files lists the named files in a fixed order.
func (m *Manifest) files() []string {
	out := make([]string, 0, len(m.SHA256))
	for n := range m.SHA256 {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}
