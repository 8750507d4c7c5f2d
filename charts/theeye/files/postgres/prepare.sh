# Makes the server's data when there is none, and the roles and their passwords as they should be: prepare.sh CONFIG, a
# folder with the files beside this one; PGDATA, PASSWORDS and PGHOST (the folder for sockets) are in the environment.
#
# The image's own entry point does the like once, and never again what a first start that was cut off has left undone. So
# here the data gets its name only when it is complete, and all else is repeated at every start.
set -eu
trap 'exit 143' TERM # the first process of a container has no other way to be stopped
for role in admin auth persistence; do
  [ -s "$PASSWORDS/$role" ] || { echo "the password of $role is missing" >&2; exit 1; }
done
if [ ! -d "$PGDATA" ]; then
  rm -rf "$PGDATA.new"
  # Text is ordered by its bytes, which no upgrade of the image's locales changes under an index.
  initdb --pgdata="$PGDATA.new" --username=postgres --pwfile="$PASSWORDS/admin" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C --data-checksums --no-instructions
  mv "$PGDATA.new" "$PGDATA"
  sync
fi
chmod 700 "$PGDATA" # a volume's fsGroup opens it to the group, which PostgreSQL refuses
# Nobody can reach it from outside before it is ready. An hour, for a server that was killed has much to make good.
pg_ctl start --wait --timeout=3600 --options="-c config_file='$1/postgresql.conf' -c hba_file='$1/pg_hba.conf' \
  -c listen_addresses= -c unix_socket_directories='$PGHOST'"
psql --no-psqlrc --quiet --username=postgres --dbname=postgres --file="$1/server.sql"
pg_ctl stop --wait --timeout=3600 --mode=fast
