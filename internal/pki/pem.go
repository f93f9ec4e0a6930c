package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// Types of PEM blocks. Private keys have the SEC 1 form, the only one from which all of client-go's readers take an ECDSA key.
const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "EC PRIVATE KEY"
	blockPublicKey   = "PUBLIC KEY"
)

// EncodeCertificate returns the certificate in PEM.
func EncodeCertificate(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: certificate.Raw})
}

// DecodeCertificates reads one or more certificates in PEM. Anything else among them is an error.
func DecodeCertificates(data []byte) ([]*x509.Certificate, error) {
	blocks, err := decode(data, blockCertificate)
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for i, der := range blocks {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read: %w", i+1, err)
		}
		certificates = append(certificates, certificate)
	}
	return certificates, nil
}

// EncodeKey returns the private key in PEM. It is secret.
func EncodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, errors.New("a private key cannot be encoded: it is not an ECDSA key")
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

// DecodeKey reads one private key in PEM. Errors say nothing of what was read.
func DecodeKey(data []byte) (*ecdsa.PrivateKey, error) {
	blocks, err := decode(data, blockKey)
	if err != nil {
		return nil, err
	}
	if len(blocks) != 1 {
		return nil, fmt.Errorf("there are %d private keys instead of one", len(blocks))
	}
	key, err := x509.ParseECPrivateKey(blocks[0])
	if err != nil || key.Curve != elliptic.P256() {
		return nil, errors.New("the private key is damaged, or not ECDSA P-256")
	}
	return key, nil
}

// EncodePublicKey returns the public key in PEM.
func EncodePublicKey(key *ecdsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("a public key cannot be encoded: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockPublicKey, Bytes: der}), nil
}

// DecodePublicKeys reads one or more ECDSA public keys in PEM.
func DecodePublicKeys(data []byte) ([]*ecdsa.PublicKey, error) {
	blocks, err := decode(data, blockPublicKey)
	if err != nil {
		return nil, err
	}
	var keys []*ecdsa.PublicKey
	for i, der := range blocks {
		key, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, fmt.Errorf("public key %d cannot be read: %w", i+1, err)
		}
		public, ok := key.(*ecdsa.PublicKey)
		if !ok {
			return nil, fmt.Errorf("public key %d is not an ECDSA key", i+1)
		}
		keys = append(keys, public)
	}
	return keys, nil
}

// Fingerprint returns the hex SHA-256 of the certificate.
func Fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(sum[:])
}

// PublicKeyFingerprint returns the hex SHA-256 of the public key's DER form.
func PublicKeyFingerprint(key *ecdsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("a public key cannot be encoded: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// decode splits PEM into the DER of its blocks, all of one type, of which there must be at least one.
func decode(data []byte, blockType string) ([][]byte, error) {
	var blocks [][]byte
	for rest := bytes.TrimSpace(data); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		var block *pem.Block
		// pem.Decode skips text before a block, which here would hide damage.
		if !bytes.HasPrefix(rest, []byte("-----BEGIN ")) {
			return nil, fmt.Errorf("what should be PEM (%s) has something else in it", blockType)
		}
		block, rest = pem.Decode(rest)
		if block == nil {
			return nil, fmt.Errorf("what should be PEM (%s) is damaged", blockType)
		}
		if block.Type != blockType {
			return nil, fmt.Errorf("the PEM block is a %s, not a %s", block.Type, blockType)
		}
		blocks = append(blocks, block.Bytes)
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("there is no PEM block (%s)", blockType)
	}
	return blocks, nil
}
