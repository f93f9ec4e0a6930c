package kube

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conflict is a field that an apply names and another manager has.
type conflict struct {
	manager, field string
	update         bool // set by a request that was no apply
}

// conflictMessage matches what the server says of the other manager (printManager in k8s.io/apimachinery 0.37.2): "using" stands there where the field was set by an update.
var conflictMessage = regexp.MustCompile(`^conflict with "((?:[^"\\]|\\.)*)"( with subresource "[^"]*")?( using .*)?$`)

func conflictsOf(err error) []conflict {
	var status apierrors.APIStatus
	if !fieldConflict(err) || !errors.As(err, &status) {
		return nil
	}
	var out []conflict
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		c := conflict{manager: strings.TrimPrefix(cause.Message, "conflict with "), field: strings.TrimPrefix(cause.Field, ".")}
		if m := conflictMessage.FindStringSubmatch(cause.Message); m != nil {
			c.manager, c.update = m[1], m[3] != ""
		}
		out = append(out, c)
	}
	return out
}

// byHand says whether somebody changed the field with kubectl. An apply, also kubectl's, is by somebody who means to keep the field.
func (c conflict) byHand() bool {
	return c.update && (c.manager == "kubectl" || strings.HasPrefix(c.manager, "kubectl-"))
}

// onlyByHand says whether nothing but changes by hand is in the way of an apply, and through what they were made.
func onlyByHand(err error) (bool, string) {
	var through []string
	for _, c := range conflictsOf(err) {
		if !c.byHand() {
			return false, ""
		}
		through = append(through, c.manager)
	}
	slices.Sort(through)
	return len(through) > 0, strings.Join(slices.Compact(through), ", ")
}

// conflictError says who has which fields, and what to do about it.
func conflictError(o *object, err error) error {
	fields := map[string][]string{}
	var managers []string
	for _, c := range conflictsOf(err) {
		if fields[c.manager] == nil {
			managers = append(managers, c.manager)
		}
		fields[c.manager] = append(fields[c.manager], c.field)
	}
	slices.Sort(managers)
	var has []string
	for _, m := range managers {
		slices.Sort(fields[m])
		has = append(has, fmt.Sprintf("%s has %s", m, strings.Join(fields[m], ", ")))
	}
	return &ConflictError{fmt.Sprintf("%s: somebody else has fields that the manifest sets: %s. Take them out of the manifest to leave them to that manager, or take them over once with "+
		"trivet kubectl -- apply --server-side --force-conflicts --field-manager=%s -f FILE", o, strings.Join(has, "; "), o.owner.manager)}
}

// ConflictError says that others have fields that a manifest sets.
type ConflictError struct{ text string }

// Error implements error.
func (e *ConflictError) Error() string { return e.text }

// withoutValues leaves out of what the server says about a Secret what could be a part of it.
func (o *object) withoutValues(err error) error {
	var status apierrors.APIStatus
	if o.Kind != "Secret" || !errors.As(err, &status) || errors.As(err, new(*RefusedError)) {
		return err
	}
	said := status.Status()
	switch said.Reason {
	case metav1.StatusReasonNotFound, metav1.StatusReasonAlreadyExists, metav1.StatusReasonConflict, metav1.StatusReasonTooManyRequests, metav1.StatusReasonUnauthorized,
		metav1.StatusReasonServerTimeout, metav1.StatusReasonTimeout, metav1.StatusReasonServiceUnavailable:
		return err
	}
	var where []string
	if said.Details != nil {
		for _, cause := range said.Details.Causes {
			where = append(where, strings.TrimSpace(cause.Field+" "+string(cause.Type)))
		}
	}
	text := fmt.Sprintf("the API server refuses it (%d %s)", said.Code, said.Reason)
	if len(where) > 0 {
		text += ": " + strings.Join(where, ", ")
	}
	return errors.New(text + "; what it says is left out, since it may show values")
}
