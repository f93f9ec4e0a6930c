package kube

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// AdminGroup is the organisation in admin certificates, which a binding of Trivet's own makes cluster-admin.
	AdminGroup = "trivet:admins"
	// shortest is the least lifetime that the CSR API grants.
	shortest = 10 * time.Minute
	// cleanup bounds the removal of a request once it is answered.
	cleanup = 10 * time.Second
)

// csrKind is not in the table: nobody applies signing requests.
var csrKind = &kind{GroupVersionKind: schema.GroupVersionKind{Group: "certificates.k8s.io", Version: "v1", Kind: "CertificateSigningRequest"}, resource: "certificatesigningrequests"}

// AdminCertificate has the cluster sign a client certificate for user by its CSR API: the request's common name is user and its one organisation AdminGroup.
// The key never leaves the caller.
func (c *Client) AdminCertificate(ctx context.Context, user string, ttl time.Duration, csrPEM []byte) ([]byte, error) {
	request, err := checkRequest(user, ttl, csrPEM)
	if err != nil {
		return nil, err
	}
	csrs := c.typed.CertificatesV1().CertificateSigningRequests()
	seconds := int32(ttl / time.Second)
	csr := &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "trivet-admin-", Labels: map[string]string{OwnerLabel: Manager}},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: csrPEM, SignerName: certificatesv1.KubeAPIServerClientSignerName, ExpirationSeconds: &seconds,
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		},
	}
	err = c.again(ctx, func(ctx context.Context) error {
		made, err := csrs.Create(ctx, csr, metav1.CreateOptions{FieldManager: Manager})
		if err == nil {
			csr = made
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("requesting a certificate for %s: %w", user, err)
	}
	defer func() {
		// Requests stay for an hour otherwise. Nothing is lost when this fails.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
		defer cancel()
		_ = csrs.Delete(ctx, csr.Name, metav1.DeleteOptions{})
	}()
	err = c.again(ctx, func(ctx context.Context) error {
		now, err := csrs.Get(ctx, csr.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if slices.ContainsFunc(now.Status.Conditions, func(c certificatesv1.CertificateSigningRequestCondition) bool {
			return c.Type == certificatesv1.CertificateApproved
		}) {
			return nil
		}
		now.Status.Conditions = append(now.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
			Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "TrivetAdmin", Message: "asked for by an operator with access to a control plane",
		})
		_, err = csrs.UpdateApproval(ctx, csr.Name, now, metav1.UpdateOptions{FieldManager: Manager})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("approving the certificate for %s: %w", user, err)
	}
	return c.issued(ctx, csr.Name, user, request)
}

// issued waits for the signer.
func (c *Client) issued(ctx context.Context, name, user string, request *x509.CertificateRequest) ([]byte, error) {
	var signed []byte
	err := c.follow(ctx, csrKind, "", metav1.ListOptions{FieldSelector: "metadata.name=" + name}, func(items map[string]*unstructured.Unstructured) (bool, error) {
		u := items[name]
		if u == nil {
			return false, errors.New("the request was deleted by somebody else: try again")
		}
		csr, err := Convert[certificatesv1.CertificateSigningRequest](u)
		if err != nil {
			return false, err
		}
		for _, condition := range csr.Status.Conditions {
			if condition.Type == certificatesv1.CertificateFailed || condition.Type == certificatesv1.CertificateDenied {
				return false, fmt.Errorf("the request was refused: %s: %s", condition.Reason, condition.Message)
			}
		}
		signed = csr.Status.Certificate
		return len(signed) > 0, nil
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for the certificate for %s: %w (the controller manager signs it: look at the unit kube-controller-manager on the control planes)", user, err)
	}
	block, _ := pem.Decode(signed)
	if block == nil {
		return nil, fmt.Errorf("the certificate for %s is not PEM", user)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the certificate for %s cannot be read: %w", user, err)
	}
	if !bytes.Equal(cert.RawSubjectPublicKeyInfo, request.RawSubjectPublicKeyInfo) {
		return nil, fmt.Errorf("the certificate for %s is for another key: try again", user)
	}
	return signed, nil
}

// checkRequest refuses what the API would refuse less clearly, or should not be granted.
func checkRequest(user string, ttl time.Duration, csrPEM []byte) (*x509.CertificateRequest, error) {
	if ttl < shortest {
		return nil, fmt.Errorf("an admin certificate cannot live for %s: the CSR API grants %s at the least", ttl, shortest)
	}
	if ttl > (1<<31-1)*time.Second {
		return nil, fmt.Errorf("an admin certificate cannot live for %s: ask for less", ttl)
	}
	block, _ := pem.Decode(csrPEM)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("the certificate request is not PEM of type CERTIFICATE REQUEST")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the certificate request cannot be read: %w", err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("the certificate request is not signed by its own key: %w", err)
	}
	if request.Subject.CommonName != user || !slices.Equal(request.Subject.Organization, []string{AdminGroup}) {
		return nil, fmt.Errorf("the certificate request is for %s in %q: it must be for %s in %s alone", request.Subject.CommonName, request.Subject.Organization, user, AdminGroup)
	}
	return request, nil
}
