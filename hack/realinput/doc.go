// Command realinput sends what real systems sent through TheEye and looks whether it comes back as it was.
//
// The input is @octokit/webhooks-examples, an npm package (MIT) with several hundred recorded GitHub webhook payloads.
// It is fetched at a pinned version and checked against the registry's hash; it is never part of this repository. Every
// payload becomes the data of an event: the category is the webhook's event, the name its action, the session the
// repository.
//
// All events are posted one by one and, under other ids, in batches; read back by time with cursors and by session; and
// compared as JSON values, numbers by their exact decimal value. Then everything is posted once more, what went singly
// before now in batches and the other way round, and nothing may have been stored twice.
package main
