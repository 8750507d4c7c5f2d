package operator

// What the operator may do. make generate writes the ClusterRole of cluster mode (config/rbac/role.yaml) from these
// markers, and divides the same rules in two for namespaced mode (config/rbac/namespaced): applications_role.yaml has
// those about Applications and kube-system, for the cluster; role.yaml has all others, for each watched namespace.
//
// Applications are read; patch is for the finalizer and, on status, for server-side apply. The right to finalizers is
// what an owner reference with blockOwnerDeletion needs.
// +kubebuilder:rbac:groups=theeye.dev,resources=applications,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=theeye.dev,resources=applications/status,verbs=patch
// +kubebuilder:rbac:groups=theeye.dev,resources=applications/finalizers,verbs=update
//
// The first write of a Secret is a create, which finds out whether the name is taken; later ones apply.
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
//
// The UID of kube-system is the cluster's id.
// +kubebuilder:rbac:groups="",resources=namespaces,resourceNames=kube-system,verbs=get
