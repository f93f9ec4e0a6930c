// Code generated from the provider's descriptions by `make sdk`. DO NOT EDIT.

package trivet

import (
	"context"
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ComponentName is one of some words. Where it stands, a pulumi.String may.
type ComponentName string

// What ComponentName may be.
const (
	ComponentNameContainerd            = ComponentName("containerd")
	ComponentNameEtcd                  = ComponentName("etcd")
	ComponentNameKubeApiserver         = ComponentName("kube-apiserver")
	ComponentNameKubeControllerManager = ComponentName("kube-controller-manager")
	ComponentNameKubeProxy             = ComponentName("kube-proxy")
	ComponentNameKubeScheduler         = ComponentName("kube-scheduler")
	ComponentNameKubelet               = ComponentName("kubelet")
)

// ElementType implements pulumi.Input.
func (ComponentName) ElementType() reflect.Type { return reflect.TypeFor[ComponentName]() }

// ToStringOutput implements pulumi.StringInput.
func (e ComponentName) ToStringOutput() pulumi.StringOutput { return pulumi.String(e).ToStringOutput() }

// ToStringOutputWithContext implements pulumi.StringInput.
func (e ComponentName) ToStringOutputWithContext(ctx context.Context) pulumi.StringOutput {
	return pulumi.String(e).ToStringOutputWithContext(ctx)
}

// ToStringPtrOutput implements pulumi.StringPtrInput.
func (e ComponentName) ToStringPtrOutput() pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutput()
}

// ToStringPtrOutputWithContext implements pulumi.StringPtrInput.
func (e ComponentName) ToStringPtrOutputWithContext(ctx context.Context) pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutputWithContext(ctx)
}

// HookStep is one of some words. Where it stands, a pulumi.String may.
type HookStep string

// What HookStep may be.
const (
	HookStepInstall = HookStep("install")
	HookStepChange  = HookStep("change")
	HookStepUpgrade = HookStep("upgrade")
	HookStepRemove  = HookStep("remove")
)

// ElementType implements pulumi.Input.
func (HookStep) ElementType() reflect.Type { return reflect.TypeFor[HookStep]() }

// ToStringOutput implements pulumi.StringInput.
func (e HookStep) ToStringOutput() pulumi.StringOutput { return pulumi.String(e).ToStringOutput() }

// ToStringOutputWithContext implements pulumi.StringInput.
func (e HookStep) ToStringOutputWithContext(ctx context.Context) pulumi.StringOutput {
	return pulumi.String(e).ToStringOutputWithContext(ctx)
}

// ToStringPtrOutput implements pulumi.StringPtrInput.
func (e HookStep) ToStringPtrOutput() pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutput()
}

// ToStringPtrOutputWithContext implements pulumi.StringPtrInput.
func (e HookStep) ToStringPtrOutputWithContext(ctx context.Context) pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutputWithContext(ctx)
}

// NetworkPlugin is one of some words. Where it stands, a pulumi.String may.
type NetworkPlugin string

// What NetworkPlugin may be.
const (
	NetworkPluginFlannel = NetworkPlugin("flannel")
	NetworkPluginBridge  = NetworkPlugin("bridge")
)

// ElementType implements pulumi.Input.
func (NetworkPlugin) ElementType() reflect.Type { return reflect.TypeFor[NetworkPlugin]() }

// ToStringOutput implements pulumi.StringInput.
func (e NetworkPlugin) ToStringOutput() pulumi.StringOutput { return pulumi.String(e).ToStringOutput() }

// ToStringOutputWithContext implements pulumi.StringInput.
func (e NetworkPlugin) ToStringOutputWithContext(ctx context.Context) pulumi.StringOutput {
	return pulumi.String(e).ToStringOutputWithContext(ctx)
}

// ToStringPtrOutput implements pulumi.StringPtrInput.
func (e NetworkPlugin) ToStringPtrOutput() pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutput()
}

// ToStringPtrOutputWithContext implements pulumi.StringPtrInput.
func (e NetworkPlugin) ToStringPtrOutputWithContext(ctx context.Context) pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutputWithContext(ctx)
}

// NetworkRoutes is one of some words. Where it stands, a pulumi.String may.
type NetworkRoutes string

// What NetworkRoutes may be.
const (
	NetworkRoutesStatic   = NetworkRoutes("static")
	NetworkRoutesExternal = NetworkRoutes("external")
)

// ElementType implements pulumi.Input.
func (NetworkRoutes) ElementType() reflect.Type { return reflect.TypeFor[NetworkRoutes]() }

// ToStringOutput implements pulumi.StringInput.
func (e NetworkRoutes) ToStringOutput() pulumi.StringOutput { return pulumi.String(e).ToStringOutput() }

// ToStringOutputWithContext implements pulumi.StringInput.
func (e NetworkRoutes) ToStringOutputWithContext(ctx context.Context) pulumi.StringOutput {
	return pulumi.String(e).ToStringOutputWithContext(ctx)
}

// ToStringPtrOutput implements pulumi.StringPtrInput.
func (e NetworkRoutes) ToStringPtrOutput() pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutput()
}

// ToStringPtrOutputWithContext implements pulumi.StringPtrInput.
func (e NetworkRoutes) ToStringPtrOutputWithContext(ctx context.Context) pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutputWithContext(ctx)
}

// OnDestroy is one of some words. Where it stands, a pulumi.String may.
type OnDestroy string

// What OnDestroy may be.
const (
	OnDestroyReset  = OnDestroy("reset")
	OnDestroyForget = OnDestroy("forget")
)

// ElementType implements pulumi.Input.
func (OnDestroy) ElementType() reflect.Type { return reflect.TypeFor[OnDestroy]() }

// ToStringOutput implements pulumi.StringInput.
func (e OnDestroy) ToStringOutput() pulumi.StringOutput { return pulumi.String(e).ToStringOutput() }

// ToStringOutputWithContext implements pulumi.StringInput.
func (e OnDestroy) ToStringOutputWithContext(ctx context.Context) pulumi.StringOutput {
	return pulumi.String(e).ToStringOutputWithContext(ctx)
}

// ToStringPtrOutput implements pulumi.StringPtrInput.
func (e OnDestroy) ToStringPtrOutput() pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutput()
}

// ToStringPtrOutputWithContext implements pulumi.StringPtrInput.
func (e OnDestroy) ToStringPtrOutputWithContext(ctx context.Context) pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutputWithContext(ctx)
}

// ProxyMode is one of some words. Where it stands, a pulumi.String may.
type ProxyMode string

// What ProxyMode may be.
const (
	ProxyModeNftables = ProxyMode("nftables")
	ProxyModeIptables = ProxyMode("iptables")
)

// ElementType implements pulumi.Input.
func (ProxyMode) ElementType() reflect.Type { return reflect.TypeFor[ProxyMode]() }

// ToStringOutput implements pulumi.StringInput.
func (e ProxyMode) ToStringOutput() pulumi.StringOutput { return pulumi.String(e).ToStringOutput() }

// ToStringOutputWithContext implements pulumi.StringInput.
func (e ProxyMode) ToStringOutputWithContext(ctx context.Context) pulumi.StringOutput {
	return pulumi.String(e).ToStringOutputWithContext(ctx)
}

// ToStringPtrOutput implements pulumi.StringPtrInput.
func (e ProxyMode) ToStringPtrOutput() pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutput()
}

// ToStringPtrOutputWithContext implements pulumi.StringPtrInput.
func (e ProxyMode) ToStringPtrOutputWithContext(ctx context.Context) pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutputWithContext(ctx)
}

// Role is one of some words. Where it stands, a pulumi.String may.
type Role string

// What Role may be.
const (
	RoleControlPlane = Role("control-plane")
	RoleEtcd         = Role("etcd")
	RoleWorker       = Role("worker")
)

// ElementType implements pulumi.Input.
func (Role) ElementType() reflect.Type { return reflect.TypeFor[Role]() }

// ToStringOutput implements pulumi.StringInput.
func (e Role) ToStringOutput() pulumi.StringOutput { return pulumi.String(e).ToStringOutput() }

// ToStringOutputWithContext implements pulumi.StringInput.
func (e Role) ToStringOutputWithContext(ctx context.Context) pulumi.StringOutput {
	return pulumi.String(e).ToStringOutputWithContext(ctx)
}

// ToStringPtrOutput implements pulumi.StringPtrInput.
func (e Role) ToStringPtrOutput() pulumi.StringPtrOutput { return pulumi.String(e).ToStringPtrOutput() }

// ToStringPtrOutputWithContext implements pulumi.StringPtrInput.
func (e Role) ToStringPtrOutputWithContext(ctx context.Context) pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutputWithContext(ctx)
}

// SitePurpose is one of some words. Where it stands, a pulumi.String may.
type SitePurpose string

// What SitePurpose may be.
const (
	SitePurposeProduction = SitePurpose("production")
	SitePurposeLocalDr    = SitePurpose("local-dr")
	SitePurposeRemoteDr   = SitePurpose("remote-dr")
	SitePurposeArbiter    = SitePurpose("arbiter")
)

// ElementType implements pulumi.Input.
func (SitePurpose) ElementType() reflect.Type { return reflect.TypeFor[SitePurpose]() }

// ToStringOutput implements pulumi.StringInput.
func (e SitePurpose) ToStringOutput() pulumi.StringOutput { return pulumi.String(e).ToStringOutput() }

// ToStringOutputWithContext implements pulumi.StringInput.
func (e SitePurpose) ToStringOutputWithContext(ctx context.Context) pulumi.StringOutput {
	return pulumi.String(e).ToStringOutputWithContext(ctx)
}

// ToStringPtrOutput implements pulumi.StringPtrInput.
func (e SitePurpose) ToStringPtrOutput() pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutput()
}

// ToStringPtrOutputWithContext implements pulumi.StringPtrInput.
func (e SitePurpose) ToStringPtrOutputWithContext(ctx context.Context) pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutputWithContext(ctx)
}

// TaintEffect is one of some words. Where it stands, a pulumi.String may.
type TaintEffect string

// What TaintEffect may be.
const (
	TaintEffectNoSchedule       = TaintEffect("NoSchedule")
	TaintEffectPreferNoSchedule = TaintEffect("PreferNoSchedule")
	TaintEffectNoExecute        = TaintEffect("NoExecute")
)

// ElementType implements pulumi.Input.
func (TaintEffect) ElementType() reflect.Type { return reflect.TypeFor[TaintEffect]() }

// ToStringOutput implements pulumi.StringInput.
func (e TaintEffect) ToStringOutput() pulumi.StringOutput { return pulumi.String(e).ToStringOutput() }

// ToStringOutputWithContext implements pulumi.StringInput.
func (e TaintEffect) ToStringOutputWithContext(ctx context.Context) pulumi.StringOutput {
	return pulumi.String(e).ToStringOutputWithContext(ctx)
}

// ToStringPtrOutput implements pulumi.StringPtrInput.
func (e TaintEffect) ToStringPtrOutput() pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutput()
}

// ToStringPtrOutputWithContext implements pulumi.StringPtrInput.
func (e TaintEffect) ToStringPtrOutputWithContext(ctx context.Context) pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutputWithContext(ctx)
}

// Unreachable is one of some words. Where it stands, a pulumi.String may.
type Unreachable string

// What Unreachable may be.
const (
	UnreachableFail   = Unreachable("fail")
	UnreachableForget = Unreachable("forget")
)

// ElementType implements pulumi.Input.
func (Unreachable) ElementType() reflect.Type { return reflect.TypeFor[Unreachable]() }

// ToStringOutput implements pulumi.StringInput.
func (e Unreachable) ToStringOutput() pulumi.StringOutput { return pulumi.String(e).ToStringOutput() }

// ToStringOutputWithContext implements pulumi.StringInput.
func (e Unreachable) ToStringOutputWithContext(ctx context.Context) pulumi.StringOutput {
	return pulumi.String(e).ToStringOutputWithContext(ctx)
}

// ToStringPtrOutput implements pulumi.StringPtrInput.
func (e Unreachable) ToStringPtrOutput() pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutput()
}

// ToStringPtrOutputWithContext implements pulumi.StringPtrInput.
func (e Unreachable) ToStringPtrOutputWithContext(ctx context.Context) pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutputWithContext(ctx)
}

// UpgradeGroup is one of some words. Where it stands, a pulumi.String may.
type UpgradeGroup string

// What UpgradeGroup may be.
const (
	UpgradeGroupCluster     = UpgradeGroup("cluster")
	UpgradeGroupSite        = UpgradeGroup("site")
	UpgradeGroupRack        = UpgradeGroup("rack")
	UpgradeGroupProductLine = UpgradeGroup("product_line")
)

// ElementType implements pulumi.Input.
func (UpgradeGroup) ElementType() reflect.Type { return reflect.TypeFor[UpgradeGroup]() }

// ToStringOutput implements pulumi.StringInput.
func (e UpgradeGroup) ToStringOutput() pulumi.StringOutput { return pulumi.String(e).ToStringOutput() }

// ToStringOutputWithContext implements pulumi.StringInput.
func (e UpgradeGroup) ToStringOutputWithContext(ctx context.Context) pulumi.StringOutput {
	return pulumi.String(e).ToStringOutputWithContext(ctx)
}

// ToStringPtrOutput implements pulumi.StringPtrInput.
func (e UpgradeGroup) ToStringPtrOutput() pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutput()
}

// ToStringPtrOutputWithContext implements pulumi.StringPtrInput.
func (e UpgradeGroup) ToStringPtrOutputWithContext(ctx context.Context) pulumi.StringPtrOutput {
	return pulumi.String(e).ToStringPtrOutputWithContext(ctx)
}
