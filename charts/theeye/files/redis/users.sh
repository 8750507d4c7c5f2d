# Writes Redis' users file: users.sh RULES PASSWORDS TARGET, where PASSWORDS is a folder with a file for each user but default
# and probe. Only the passwords' SHA-256 gets into the target, and nothing of them into an argument: cat and sha256sum read
# and write pipes.
set -eu
umask 077
while read -r word name rules; do
  [ "$word" = user ] || continue
  if [ "$name" != default ] && [ "$name" != probe ]; then
    password=$(cat "$2/$name")
    [ -n "$password" ] || { echo "the password of $name is empty" >&2; exit 1; }
    hash=$(printf %s "$password" | sha256sum) # printf is the shell's own: no process shows it
    rules="#${hash%% *} $rules"
  fi
  printf 'user %s %s\n' "$name" "$rules"
done <"$1" >"$3.new"
mv "$3.new" "$3"
