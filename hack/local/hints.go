package main

import "io"

// hints are lines to paste into bash at the root of the repository.
const hints = `
TheEye runs. Its URLs and credentials are in .local/env, its logs in .local/log.
Paste these, from here:

  set -a; . .local/env; set +a

  # send one event; then a batch, in which one event is invalid and is rejected alone
  curl -sS -u "$THEEYE_CLIENT_ID:$THEEYE_CLIENT_SECRET" -H 'Content-Type: application/json' "$THEEYE_INGEST_URL/v1/events" \
    -d '{"session_id":"my-session","category":"page interaction","name":"pageview","data":{"host":"www.example.com","path":"/"}}'
  curl -sS -H "Authorization: Bearer $THEEYE_API_KEY" -H 'Content-Type: application/json' "$THEEYE_INGEST_URL/v1/events" \
    -d '[{"session_id":"my-session","category":"page interaction","name":"cta click","data":{"element":"chat"}},
         {"session_id":"my-session","category":"form interaction","name":"submit","data":"not an object"}]'

  # the same with an access token, as OAuth 2.0 clients get it
  token=$(curl -sS -u "$THEEYE_CLIENT_ID:$THEEYE_CLIENT_SECRET" "$THEEYE_TOKEN_URL" -d grant_type=client_credentials |
    sed 's/.*"access_token":"\([^"]*\).*/\1/')
  curl -sS -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$THEEYE_INGEST_URL/v1/events" \
    -d '{"session_id":"my-session","category":"page interaction","name":"scroll"}'

  # an accepted event can be read within a second
  sleep 1
  # read: by session, by category, by time range, by all three
  curl -sS -G -H "Authorization: Bearer $THEEYE_API_KEY" "$THEEYE_PERSISTENCE_URL/v1/events" -d session_id=my-session
  curl -sS -G -H "Authorization: Bearer $THEEYE_API_KEY" "$THEEYE_PERSISTENCE_URL/v1/events" --data-urlencode 'category=page interaction'
  curl -sS -G -H "Authorization: Bearer $THEEYE_API_KEY" "$THEEYE_PERSISTENCE_URL/v1/events" \
    -d "from=$(date -u -d '1 hour ago' +%FT%TZ)" -d "to=$(date -u -d '1 minute' +%FT%TZ)"
  curl -sS -G -H "Authorization: Bearer $THEEYE_API_KEY" "$THEEYE_PERSISTENCE_URL/v1/events" -d session_id=my-session \
    --data-urlencode 'category=page interaction' -d "from=$(date -u -d '1 hour ago' +%FT%TZ)" -d "to=$(date -u -d '1 minute' +%FT%TZ)"

  # a session with its events in order; what was refused, with its reason and original bytes
  curl -sS -H "Authorization: Bearer $THEEYE_API_KEY" "$THEEYE_PERSISTENCE_URL/v1/sessions/my-session"
  curl -sS -H "Authorization: Bearer $THEEYE_API_KEY" "$THEEYE_PERSISTENCE_URL/v1/failures"

  # the same in a browser: log in with the admin token, or with the API key and see what that may read
  echo "$THEEYE_PERSISTENCE_URL/ with $THEEYE_ADMIN_TOKEN"

make up again repairs what died and rebuilds what changed; make down stops it; make clean removes its data.
`

func printHints(w io.Writer) { _, _ = io.WriteString(w, hints) }
