# Runs inside the root that cross/package-test.sh boots: the service's life, told in /root/result.
exec >/root/result 2>&1
trap 'systemctl poweroff --no-block 2>/dev/null' EXIT
fail() { echo "error: $*"; systemctl status --no-pager vlunet; journalctl --no-pager -n 30 -u vlunet; exit 1; }
property() { systemctl show -P "$1" vlunet; }

[ "$(property ActiveState)" = inactive ] || fail "it was started by itself"
{
  echo 'source = "synthetic:road?weather=fog&size=160x96"'
  echo 'sinks = ["http://127.0.0.1:8080"]'
} >/etc/vlunet/vlunet.toml
# It is ready with the first frame.
systemctl enable --now vlunet || fail "it doesn't start"
[ "$(property ActiveState)/$(property SubState)" = active/running ] || fail "it doesn't run"
first=$(property MainPID)
[ "$(stat -c %U "/proc/$first")" = vlunet ] || fail "it runs as $(stat -c %U "/proc/$first")"
[ "$(stat -c %U /var/lib/vlunet)" = vlunet ] || fail "its state isn't its own"
echo "started: $(property StatusText)"
sleep 12
[ "$(property MainPID)" = "$first" ] || fail "the watchdog ended it"
echo "after 12 s: $(property StatusText)"
systemctl reload vlunet || fail "it doesn't reload"

dpkg --force-confold -i /vlunet-next.deb >/dev/null 2>&1 || fail "the upgrade"
[ "$(property ActiveState)" = active ] || fail "an upgrade stops it"
[ "$(property MainPID)" != "$first" ] || fail "an upgrade leaves the old program running"
second=$(property MainPID)
dpkg -r vlunet >/dev/null 2>&1 || fail "the removal"
[ ! -e "/proc/$second" ] || fail "it runs on when removed"
dpkg -P vlunet >/dev/null 2>&1 || fail "the purge"
[ ! -e /etc/systemd/system/multi-user.target.wants/vlunet.service ] || fail "it is still enabled"
[ ! -e /var/lib/vlunet ] || fail "its state is left"
echo passed
