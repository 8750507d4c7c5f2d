package v1alpha1

// The conditions of an Application.
const (
	// ConditionReady sums the others up: the application can do all that its spec says.
	ConditionReady = "Ready"
	// ConditionCredentialsPublished is true when the Secret has credentials that auth knows.
	ConditionCredentialsPublished = "CredentialsPublished"
	// ConditionRegistered is true when auth has the application as its spec wants it.
	ConditionRegistered = "Registered"
	// ConditionSchemasValid is true when every declared schema compiles.
	ConditionSchemasValid = "SchemasValid"
	// ConditionPreviousSecretInUse is there during an overlap: true while the replaced secret is still used.
	ConditionPreviousSecretInUse = "PreviousSecretInUse"
	// ConditionStalled is there, and true, when nothing goes on until a person acts (kstatus).
	ConditionStalled = "Stalled"
)

// The reasons of the conditions.
const (
	ReasonReady      = "Ready"      // Ready: all is well
	ReasonSuspended  = "Suspended"  // Ready: all is well, and events are refused as the spec wants it
	ReasonPending    = "Pending"    // any: its turn comes later in the same reconciliation
	ReasonDeleting   = "Deleting"   // Ready: the resource is being deleted
	ReasonPublished  = "Published"  // CredentialsPublished: the Secret has the newest credential
	ReasonRegistered = "Registered" // Registered: auth has all of it
	ReasonValid      = "Valid"      // SchemasValid
	ReasonNone       = "NoSchemas"  // SchemasValid: no type has one

	ReasonSecretTaken           = "SecretTaken"           // CredentialsPublished: a Secret of that name belongs to somebody else
	ReasonSecretRefused         = "SecretRefused"         // CredentialsPublished: the API server does not let the operator write it
	ReasonWaitingForSecret      = "WaitingForSecret"      // CredentialsPublished: the existing Secret is not there yet
	ReasonExistingSecretInvalid = "ExistingSecretInvalid" // CredentialsPublished: it has no api-key that can be this application's
	ReasonReplacedTooOften      = "ReplacedTooOften"      // CredentialsPublished: the Secret is lost again and again
	ReasonRotating              = "Rotating"              // CredentialsPublished: true; a new credential is on its way
	ReasonAuthUnavailable       = "AuthUnavailable"       // Registered: auth does not answer
	ReasonAuthRefused           = "AuthRefused"           // Registered: auth refuses what the operator asks for
	ReasonSchemaInvalid         = "SchemaInvalid"         // SchemasValid, Ready: at least one schema is faulty
	ReasonInUse                 = "InUse"                 // PreviousSecretInUse: a client still sends the replaced secret
	ReasonNotInUse              = "NotInUse"              // PreviousSecretInUse: nobody sent it lately
	ReasonNotReported           = "NotReported"           // PreviousSecretInUse: persistence has not answered yet
)
