#!/bin/bash
# The part of record-samples.sh that runs inside the namespaces: inside.sh WORK OUT
set -euo pipefail

OUT=$2
# The working directory under a plain name, because some programs log where their files are.
WORK=/mnt
LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORLD=""

mount --make-rprivate /
mount --bind "$1" "$WORK"

say() { printf '%s\n' "$*" >&2; }

# --- the private machine --------------------------------------------------------------------------------------

prepare_etc() {
  local etc=$WORK/etc
  mkdir -p "$etc"
  cp /etc/passwd /etc/group "$etc/"
  printf '%s\n' 'postfix:x:2001:2001::/nonexistent:/bin/false' 'Debian-exim:x:2003:2003::/nonexistent:/bin/false' \
    'smmta:x:2004:2004::/nonexistent:/bin/false' 'smmsp:x:2005:2005::/nonexistent:/bin/false' \
    'store:x:2006:2006::/nonexistent:/bin/false' >>"$etc/passwd"
  printf '%s\n' 'postfix:x:2001:' 'postdrop:x:2002:' 'Debian-exim:x:2003:' 'smmta:x:2004:' 'smmsp:x:2005:' \
    'store:x:2006:' >>"$etc/group"
  printf '127.0.0.1 localhost\n192.0.2.25 mail.example.com mail\n' >"$etc/hosts"
  printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$etc/resolv.conf"
  printf 'hosts: files dns\npasswd: files\ngroup: files\n' >"$etc/nsswitch.conf"
  mkdir -p "$etc/exim4"
  touch "$etc/exim4/exim4.conf"
  printf 'Etc/UTC\n' >"$etc/timezone"
  ln -sf /usr/share/zoneinfo/Etc/UTC "$etc/localtime"
}

# What the postfix package's own scripts do on installation.
prepare_programs() {
  chgrp 2002 "$WORK"/root/usr/sbin/{postqueue,postdrop}
  chmod 2755 "$WORK"/root/usr/sbin/{postqueue,postdrop}
}

private_machine() {
  local octet
  prepare_etc
  prepare_programs
  mount -t overlay overlay -o "lowerdir=$WORK/root/usr:/usr" /usr
  mount -t overlay overlay -o "lowerdir=$WORK/etc:$WORK/root/etc:/etc" /etc
  mount -t tmpfs tmpfs /run
  private_dev
  hostname mail.example.com
  ip link set lo up
  for octet in $(seq 10 70); do ip addr add "203.0.113.$octet/32" dev lo; done
  for octet in 20 30 40 66 67; do ip addr add "198.51.100.$octet/32" dev lo; done
  ip addr add 192.0.2.25/32 dev lo
}

# /dev with a place for the log socket that nobody else sees.
private_dev() {
  local node
  mkdir -p "$WORK/dev"
  mount -t tmpfs tmpfs "$WORK/dev"
  for node in null zero full random urandom tty; do
    touch "$WORK/dev/$node"
    mount --bind "/dev/$node" "$WORK/dev/$node"
  done
  mkdir "$WORK/dev/shm" "$WORK/dev/pts"
  ln -s /proc/self/fd "$WORK/dev/fd"
  mount --rbind "$WORK/dev" /dev
}

# --- the world outside ----------------------------------------------------------------------------------------

# start_world NAME [PLAN,PLAN...]
start_world() {
  local name=$1 plans=${2:-$WORK/$1.plan.json}
  rm -f "$WORK/$name.ready"
  python3 "$LAB/stub.py" "$plans" "$WORK/$name.said.jsonl" "$WORK/$name.ready" &
  WORLD=$!
  until [ -e "$WORK/$name.ready" ]; do
    kill -0 "$WORLD"
    sleep 0.1
  done
}

stop_world() {
  kill "$WORLD"
  wait "$WORLD" 2>/dev/null || true
}

# start_syslog FILE TEMPLATE [on]: a real rsyslogd that writes FILE; "on" folds repeated messages.
start_syslog() {
  local file=$1 template=$2 reduce=${3:-off}
  cat >"$WORK/rsyslog.conf" <<CONF
\$RepeatedMsgReduction $reduce
module(load="imuxsock")
*.* action(type="omfile" file="$file" template="$template")
CONF
  rm -f /dev/log
  rsyslogd -n -f "$WORK/rsyslog.conf" -i "$WORK/rsyslog.pid" &
  SYSLOG=$!
  until [ -S /dev/log ]; do sleep 0.1; done
}

stop_syslog() {
  sleep 1
  kill "$SYSLOG"
  wait "$SYSLOG" 2>/dev/null || true
}

# --- Postfix --------------------------------------------------------------------------------------------------

# postfix_instance DIR: configuration, queue and data of an instance of its own; more settings on stdin.
postfix_instance() {
  local dir=$1
  mkdir -p "$dir"/{conf,queue,data,mailboxes}
  chmod 755 "$dir"
  chown postfix "$dir/data"
  chown store:store "$dir/mailboxes"
  cp -r /etc/postfix/. "$dir/conf/"
  awk '/^[a-z]/ && $5 ~ /^[yn-]$/ { $5 = "n" } { print }' /usr/share/postfix/master.cf.dist >"$dir/conf/master.cf"
  sed -i 's/^smtp inet .*/192.0.2.25:25 inet n - n - - smtpd/' "$dir/conf/master.cf"
  cat >>"$dir/conf/master.cf" <<CONF
127.0.0.1:10587 inet n - n - - smtpd
  -o content_filter=scan:[127.0.0.1]:10025
127.0.0.1:10025 inet n - n - - smtpd
  -o syslog_name=postfix/filter -o content_filter= -o myhostname=filter.example.com
  -o smtpd_recipient_restrictions=permit
scan unix - - n - 2 smtp
  -o smtp_bind_address=127.0.0.1
CONF
  printf '198.51.100.40 REJECT\n' >"$dir/conf/clients"
  printf 'banned@partner.example.org REJECT\n' >"$dir/conf/senders"
  printf '%s\n' 'gone@example.com 550 5.7.1 User unknown' \
    'grey@example.com 450 4.2.0 Greylisted, please try again in 300 seconds' >"$dir/conf/rcpts"
  cat >"$dir/conf/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $dir/queue
data_directory = $dir/data
myhostname = mail.example.com
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
inet_interfaces = 192.0.2.25, 127.0.0.1
smtp_bind_address = 192.0.2.25
smtp_tls_security_level = none
smtputf8_enable = no
virtual_mailbox_domains = example.com, example.net, example.org, news.example.com, billing.example.net
virtual_mailbox_base = $dir/mailboxes
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:2006
virtual_gid_maps = static:2006
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_recipient_restrictions = permit_mynetworks, check_client_access texthash:$dir/conf/clients,
  reject_rbl_client dnsbl.example.net, check_sender_access texthash:$dir/conf/senders,
  check_recipient_access texthash:$dir/conf/rcpts, permit
smtpd_error_sleep_time = 0
maillog_file_prefixes = $WORK
CONF
  cat >>"$dir/conf/main.cf"
}

# Wait until nothing moves: all mail is gone or deferred.
postfix_settle() {
  local dir=$1
  while postqueue -c "$dir/conf" -j | grep -q '"queue_name": "\(active\|incoming\|maildrop\)"'; do sleep 0.3; done
  sleep 1
  if postqueue -c "$dir/conf" -j | grep -q '"queue_name": "\(active\|incoming\|maildrop\)"'; then
    postfix_settle "$dir"
  fi
}

postfix_run() {
  local dir=$1 name=$2
  postfix -c "$dir/conf" start >"$dir/start.txt" 2>&1 || {
    cat "$dir/start.txt" >&2
    return 1
  }
  python3 "$LAB/inject.py" mails "$WORK/$name.plan.json" sendmail -C "$dir/conf"
  postfix_settle "$dir"
}

# --- the recordings -------------------------------------------------------------------------------------------

plan() {
  local name=$1
  shift
  python3 "$LAB/plan.py" "$WORK/$name.plan.json" "$@"
}

keep() {
  local from=$1 to=$2
  mkdir -p "$(dirname "$to")"
  cp "$from" "$to"
  chmod 644 "$to"
}

# check NAME LOG [PLAN...]
check() {
  local name=$1 log=$2
  shift 2
  local inbound=$WORK/$name.inbound.jsonl
  [ -e "$inbound" ] || inbound=-
  python3 "$LAB/expect.py" "$log" "${log%.log}.expected.csv" "$WORK/$name.said.jsonl" "$inbound" \
    "${@:-$WORK/$name.plan.json}"
}

record_postfix_main() {
  local name=postfix-main dir=$WORK/postfix-main
  say "Postfix, main recording"
  plan "$name" --scale 0.5 --seed 11 --local 4 --filtered 14
  printf 'maillog_file = %s\n' "$WORK/$name.log" | postfix_instance "$dir"
  start_world "$name"
  postfix_run "$dir" "$name"
  python3 "$LAB/inject.py" inbound postfix 192.0.2.25 "$WORK/$name.inbound.jsonl"
  postqueue -c "$dir/conf" -f
  sleep 1
  postfix_settle "$dir"
  postfix -c "$dir/conf" stop >/dev/null 2>&1
  stop_world
  keep "$WORK/$name.log" "$OUT/postfix/main.log"
  check "$name" "$OUT/postfix/main.log"
  python3 "$LAB/bounces.py" maildir "$dir/mailboxes/all" "$OUT/bounces/postfix" "$WORK/$name.plan.json" 50
}

# ISO stamps of rsyslog, the name of a second instance, long queue ids, mails that expire.
record_postfix_multi() {
  local name=postfix-multi dir=$WORK/postfix-multi
  say "Postfix, second instance"
  plan "$name" --scale 0.12 --least 0 --seed 12 --local 1 --short m
  postfix_instance "$dir" <<<$'syslog_name = postfix-out\nenable_long_queue_ids = yes'
  start_syslog "$WORK/$name.log" RSYSLOG_FileFormat
  start_world "$name"
  postfix_run "$dir" "$name"
  postfix_expire "$dir"
  postfix -c "$dir/conf" stop >/dev/null 2>&1
  stop_world
  stop_syslog
  keep "$WORK/$name.log" "$OUT/postfix/multi-instance-iso.log"
  check "$name" "$OUT/postfix/multi-instance-iso.log"
}

# What is still deferred is given up at the next attempt.
postfix_expire() {
  local dir=$1
  postconf -c "$dir/conf" -e 'maximal_queue_lifetime = 1s'
  postfix -c "$dir/conf" reload >/dev/null 2>&1
  sleep 2
  postqueue -c "$dir/conf" -f
  sleep 1
  postfix_settle "$dir"
}

record_postfix_5424() {
  local name=postfix-5424 dir=$WORK/postfix-5424
  say "Postfix, RFC 5424"
  plan "$name" --scale 0.08 --least 0 --seed 13 --short f
  postfix_instance "$dir" </dev/null
  start_syslog "$WORK/$name.log" RSYSLOG_SyslogProtocol23Format
  start_world "$name"
  postfix_run "$dir" "$name"
  postfix -c "$dir/conf" stop >/dev/null 2>&1
  stop_world
  stop_syslog
  keep "$WORK/$name.log" "$OUT/postfix/rfc5424.log"
  check "$name" "$OUT/postfix/rfc5424.log"
}

# --- Exim -----------------------------------------------------------------------------------------------------

# exim_instance DIR LOG_FILE_PATH: more main options on stdin.
exim_instance() {
  local dir=$1 log=$2
  mkdir -p "$dir"/{spool,log,mail}
  chown -R Debian-exim:Debian-exim "$dir"
  {
    cat <<CONF
exim_path = /usr/sbin/exim4
exim_user = Debian-exim
exim_group = Debian-exim
spool_directory = $dir/spool
log_file_path = $log
primary_hostname = mail.example.com
domainlist own = example.com : example.net : example.org : news.example.com : billing.example.net
keep_environment =
never_users =
trusted_users = root
local_interfaces = 192.0.2.25
disable_ipv6
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
ignore_bounce_errors_after = 0s
acl_smtp_rcpt = rcpt
CONF
    cat
    cat <<'CONF'
begin acl
rcpt:
  accept hosts = :
  deny hosts = 198.51.100.40
    message = 5.7.1 Access denied
  deny dnslists = dnsbl.example.net
    message = 5.7.1 Service unavailable; client host [$sender_host_address] blocked using $dnslist_domain; $dnslist_text
  deny recipients = gone@example.com
    message = Unknown user
  defer recipients = grey@example.com
    message = Greylisted, please try again in 300 seconds
  require message = relay not permitted
    domains = +own
  accept
begin routers
own:
  driver = accept
  domains = +own
  transport = store
out:
  driver = dnslookup
  domains = ! +own
  transport = remote_smtp
  no_more
begin transports
remote_smtp:
  driver = smtp
  interface = 192.0.2.25
  hosts_avoid_tls = *
  helo_data = mail.example.com
CONF
    cat <<CONF
store:
  driver = appendfile
  file = $dir/mail/mbox
  user = Debian-exim
begin retry
* * F,2h,1s; F,4d,1h
CONF
  } >"$dir/exim.conf"
  # At the built-in place, because Exim gives up its privileges for any other.
  mount --bind "$dir/exim.conf" /etc/exim4/exim4.conf
}

exim_queue_is_busy() {
  pgrep -x exim4 >/dev/null
}

exim_run() {
  local dir=$1 name=$2
  python3 "$LAB/inject.py" mails "$WORK/$name.plan.json" exim4 -odf -oi
  while exim_queue_is_busy; do sleep 0.3; done
  sleep 2
  exim4 -q 2>/dev/null || true
}

exim_inbound() {
  local dir=$1 name=$2 daemon
  exim4 -bdf 2>/dev/null &
  daemon=$!
  sleep 1
  python3 "$LAB/inject.py" inbound exim 192.0.2.25 "$WORK/$name.inbound.jsonl"
  kill "$daemon"
  wait "$daemon" 2>/dev/null || true
}

record_exim_main() {
  local name=exim-main dir=$WORK/exim-main
  say "Exim, main recording"
  plan "$name" --scale 0.35 --seed 21 --skip small-mixed --local 3 --short e
  exim_instance "$dir" "$dir/log/%slog" </dev/null
  start_world "$name"
  exim_run "$dir" "$name"
  exim_inbound "$dir" "$name"
  stop_world
  keep "$dir/log/mainlog" "$OUT/exim/main.log"
  check "$name" "$OUT/exim/main.log"
  python3 "$LAB/bounces.py" mbox "$dir/mail/mbox" "$OUT/bounces/exim" "$WORK/$name.plan.json" 40
}

record_exim_selectors() {
  local name=exim-selectors dir=$WORK/exim-selectors
  say "Exim, all log selectors"
  plan "$name" --scale 0.08 --least 0 --seed 22 --skip small-mixed --local 1 --short x
  exim_instance "$dir" "$dir/log/%slog" <<<'log_selector = +all -arguments -queue_run'
  start_world "$name"
  exim_run "$dir" "$name"
  exim_inbound "$dir" "$name"
  stop_world
  keep "$dir/log/mainlog" "$OUT/exim/all-selectors.log"
  check "$name" "$OUT/exim/all-selectors.log"
}

# --- Sendmail -------------------------------------------------------------------------------------------------

sendmail_instance() {
  local dir=$1
  mkdir -p "$dir"/{queue,db}
  mount -t tmpfs -o mode=1777 tmpfs /var/mail
  printf '%s\n' example.com example.net example.org news.example.com billing.example.net >"$dir/own"
  m4 -D_CF_DIR_=/usr/share/sendmail/cf/ /usr/share/sendmail/cf/m4/cf.m4 - >"$dir/sendmail.cf" <<CONF
OSTYPE(\`linux')dnl
define(\`confDOMAIN_NAME', \`mail.example.com')dnl
define(\`confCW_FILE', \`$dir/own')dnl
define(\`QUEUE_DIR', \`$dir/queue')dnl
define(\`STATUS_FILE', \`$dir/status')dnl
define(\`confPID_FILE', \`$dir/sendmail.pid')dnl
define(\`ALIAS_FILE', \`')dnl
define(\`confDONT_PROBE_INTERFACES', \`True')dnl
define(\`LUSER_RELAY', \`local:store')dnl
define(\`LOCAL_MAILER_PATH', \`/usr/libexec/sendmail/mail.local')dnl
FEATURE(\`use_cw_file')dnl
FEATURE(\`access_db', \`hash -T<TMPF> $dir/db/access')dnl
FEATURE(\`dnsbl', \`dnsbl.example.net', \`"550 5.7.1 Service unavailable; client " \$&{client_addr} " blocked using dnsbl.example.net"')dnl
DAEMON_OPTIONS(\`Family=inet, Addr=192.0.2.25, Port=25, Name=MTA')dnl
CLIENT_OPTIONS(\`Family=inet, Addr=192.0.2.25')dnl
MAILER(local)dnl
MAILER(smtp)dnl
CONF
  printf 'From:banned@partner.example.org\tERROR:5.7.1:550 Sender banned\n' |
    /usr/libexec/sendmail/makemap -C "$dir/sendmail.cf" hash "$dir/db/access"
}

# With the name that it has in the log of a Debian system.
SENDMAIL=(/usr/libexec/sendmail/sendmail -L sm-mta)

sendmail_run() {
  local dir=$1 name=$2
  python3 "$LAB/inject.py" mails "$WORK/$name.plan.json" \
    "${SENDMAIL[@]}" -C "$dir/sendmail.cf" -odi -oi
  sleep 1
  # Only these once more: within one queue run Sendmail copies a 421 from one mail to the others of that host.
  "${SENDMAIL[@]}" -C "$dir/sendmail.cf" -qRshop.example.net
  "${SENDMAIL[@]}" -C "$dir/sendmail.cf" -qRfirm-a.example.com
  sleep 1
}

sendmail_inbound() {
  local dir=$1 name=$2 daemon
  "${SENDMAIL[@]}" -C "$dir/sendmail.cf" -bD &
  daemon=$!
  sleep 2
  python3 "$LAB/inject.py" inbound sendmail 192.0.2.25 "$WORK/$name.inbound.jsonl"
  kill "$daemon"
  wait "$daemon" 2>/dev/null || true
}

record_sendmail() {
  local name=sendmail dir=$WORK/sendmail
  say "Sendmail"
  plan "$name" --scale 0.2 --least 0 --seed 31 --short s --skip small-mixed,small-drop
  sendmail_instance "$dir"
  start_syslog "$WORK/$name.log" RSYSLOG_TraditionalFileFormat
  start_world "$name"
  sendmail_run "$dir" "$name"
  sendmail_inbound "$dir" "$name"
  stop_world
  stop_syslog
  keep "$WORK/$name.log" "$OUT/sendmail/main.log"
  check "$name" "$OUT/sendmail/main.log"
}

# --- all three at once, one syslog ----------------------------------------------------------------------------

record_mixed() {
  local name=mixed part plans=()
  say "Postfix, Exim and Sendmail in one syslog"
  for part in postfix exim sendmail; do
    plan "mixed-$part" --scale 0.07 --least 0 --seed "4${#part}" --short "${part:0:1}" --skip small-mixed,small-drop
    plans+=("$WORK/mixed-$part.plan.json")
  done
  postfix_instance "$WORK/mixed-postfix" </dev/null
  exim_instance "$WORK/mixed-exim" syslog </dev/null
  sendmail_instance "$WORK/mixed-sendmail"
  start_syslog "$WORK/$name.log" RSYSLOG_TraditionalFileFormat on
  start_world "$name" "$(IFS=,; printf '%s' "${plans[*]}")"
  exim_run "$WORK/mixed-exim" mixed-exim &
  part=$!
  sendmail_run "$WORK/mixed-sendmail" mixed-sendmail &
  postfix_run "$WORK/mixed-postfix" mixed-postfix
  wait "$part" "$!"
  python3 "$LAB/inject.py" inbound postfix 192.0.2.25 "$WORK/$name.inbound.jsonl"
  postfix -c "$WORK/mixed-postfix/conf" stop >/dev/null 2>&1
  stop_world
  stop_syslog
  keep "$WORK/$name.log" "$OUT/mixed/mail.log"
  check "$name" "$OUT/mixed/mail.log" "${plans[@]}"
}

private_machine
for recording in ${RECORD_ONLY:-postfix_main postfix_multi postfix_5424 exim_main exim_selectors sendmail mixed}; do
  "record_$recording"
done
python3 "$LAB/summary.py" "$OUT"
