# The first process of a session, see session.ts. It is the init of the PID namespace: when it ends,
# the kernel kills whatever else is in there.
#
# bash session.sh ISOLATION RUN CACHE IMAGE TEMPLATE SERVER UID GID CWD SHOWN... -- [NAME=VALUE]... PROGRAM...

set -eu
isolation=$1 run=$2 cache=$3 image=$4 template=$5 server=$6 uid=$7 gid=$8 cwd=$9
shift 9
shown=()
while [ "$1" != -- ]; do
  shown+=("$1")
  shift
done
shift
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin

# In the background, where the program runs, a shell takes its input away.
exec 8<&0 9<> "$run/control"

# An overlay at $fs/NAME over the folder LOWER of the cache, which is never written to.
layer() { # LOWER NAME
  mkdir "$fs/$2" "$fs/$2.upper" "$fs/$2.work"
  chown --reference="$cache/$1" "$fs/$2.upper"
  # In the options of an overlay paths would need escaping, so these are relative to the cache.
  local here="runs/${run##*/}/fs/$2"
  (cd "$cache" &&
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$here.upper,workdir=$here.work" "$here")
}

# Gives a folder of the machine the same path in $root.
show() { # FOLDER
  [ "$1" -ef "$root$1" ] && return
  mkdir -p "$root$1"
  mount --rbind "$1" "$root$1"
}

# Makes $root: the system of the image, or of the machine, with the other folders of the machine.
# Its /run is empty, because some builds of Wine leave folders there.
make_root() {
  if [ -n "$image" ]; then layer "$image" root; else mkdir "$root"; fi
  # One of the folders shown holds this one.
  mount --bind "$root" "$root"
  mount --make-unbindable "$root"
  local entry folder
  for entry in /*; do
    case "$image:$entry" in
      *:/proc | *:/run) continue ;;
      ?*:/bin | ?*:/boot | ?*:/etc | ?*:/lib* | ?*:/sbin | ?*:/sys | ?*:/usr | ?*:/var) continue ;;
    esac
    if [ -L "$entry" ]; then
      [ -e "$root$entry" ] || cp -P "$entry" "$root$entry"
    elif [ -d "$entry" ]; then
      show "$entry"
    fi
  done
  for folder in "${shown[@]}"; do show "$folder"; done
  mkdir -p "$root/proc" "$root/run/user/$uid"
  mount -t proc proc "$root/proc"
  chown --reference="$run" "$root/run/user/$uid"
  chmod 700 "$root/run/user/$uid"
}

# Name resolution as on the machine.
copy_network_settings() {
  local file target
  for file in /etc/hosts /etc/resolv.conf; do
    [ -e "$file" ] || continue
    target=$(realpath "$file")
    if [ -n "$image" ]; then
      rm -f "$root$file"
      cp "$target" "$root$file"
    elif [ ! -e "$root$target" ]; then
      mkdir -p "$root${target%/*}"
      cp "$target" "$root$target"
    fi
  done
}

# Where Wine keeps the sockets of its servers, other than Debian's Wine.
hide_sockets() {
  local servers=/tmp/.wine-$uid
  if [ ! -d "$servers" ]; then
    mkdir -m 700 "$servers"
    chown --reference="$run" "$servers"
  fi
  mount -t tmpfs -o mode=700 tmpfs "$root$servers"
  chown --reference="$run" "$root$servers"
}

# What the run writes is in memory, and gone with the namespace.
make_namespace() {
  fs=$run/fs root=$run/fs/root
  mount -t tmpfs -o mode=700 tmpfs "$fs"
  chown --reference="$run" "$fs"
  if [ -n "$template" ]; then layer "$template" prefix; fi
  make_root
  copy_network_settings
  if [ -z "$image" ]; then hide_sockets; fi
}

# Without a namespace: ends Wine's server and removes the prefix and the server's folder.
clean_up() {
  trap - EXIT
  local sockets name
  sockets=/tmp/.wine-$uid/server-$(stat -c '%d %i' "$WINEPREFIX" | xargs printf '%x-%x')
  # Debian's Wine has a folder for each prefix and keeps its name in the prefix.
  name=$(cat "$WINEPREFIX/wineserver" || :)
  case $name in wine-?*) sockets="/tmp/$name /run/user/$uid/$name" ;; esac
  "$server" -k || :
  # shellcheck disable=SC2086
  rm -rf $sockets "$run/prefix"
  kill $(jobs -p) || :
} 2> /dev/null

case $isolation in
  none)
    trap clean_up EXIT
    if [ -n "$template" ]; then cp -a --reflink=auto "$cache/$template/." "$run/prefix"; fi
    enter=()
    ;;
  root)
    make_namespace
    enter=(chroot --userspec="$uid:$gid" "$root")
    ;;
  user)
    make_namespace
    # Wine wants the owner of its files as its user. The kernel makes no such user in a chroot.
    mkdir "$root/.old"
    cd "$root"
    pivot_root . .old
    umount -l .old
    enter=(unshare --user --map-user="$uid" --map-group="$gid")
    ;;
esac

"${enter[@]}" /bin/bash -c 'cd "$0" && exec env "$@"' "$cwd" "$@" <&8 8<&- 9<&- &
program=$!
exec 8<&-

# Signals from the tool, and its death. These hold no output open that others may read to the end.
while read -r signal <&9; do kill -s "$signal" "$program" || :; done < /dev/null > /dev/null 2>&1 &
flock "$run/alive" bash -c "kill -KILL $program" <&- > /dev/null 2>&1 &

code=0
# Of a program that was killed, bash would say so.
wait "$program" 2> /dev/null || code=$?
exit $code
