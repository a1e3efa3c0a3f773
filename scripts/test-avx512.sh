#!/usr/bin/env bash
# Usage: scripts/test-avx512.sh [PACKAGE ...] [-run PATTERN]
# Runs the tests of kernels in the tier avx512vnni of amd64: natively where the CPU has it, else on a small Linux in the emulator Bochs. Wants
# there: apt-get install --no-install-recommends bochs bochs-term bochsbios vgabios isolinux syslinux-common xorriso cpio
# Without a package: every package of kernels. Fails if a test fails, if no test ran in the tier, or if there is no result in AVX512_TIMEOUT
# seconds (default 1800). No CPU model of Bochs 2.7 has the tier avxvnni (AVX-VNNI), so that one runs on real machines only.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
tier=avx512vnni limit=${AVX512_TIMEOUT:-1800} packages=() run=.
while [ $# -gt 0 ]; do
	case $1 in
	-run) run=$2; shift 2 ;;
	-*) sed -n 2p "$0"; exit 2 ;;
	*) packages+=("$1"); shift ;;
	esac
done
[ ${#packages[@]} -gt 0 ] || packages=(./kernels/...)

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
summary() { # prints what OUT/json says, and fails if a test failed or none was one of the tier
	go run ./scripts/testsummary <"$out/json" || return
	local n
	n=$(grep -cE "\"Action\":\"pass\".*isa=$tier\"" "$out/json") || { echo "no test ran in the tier $tier"; return 1; }
	echo "$n of them in the tier $tier, $1"
}

flags=" $(sed -n 's/^flags[^:]*://p' /proc/cpuinfo | head -1) "
missing=
for f in avx2 fma avx512f avx512bw avx512dq avx512vl avx512vbmi avx512_vnni; do [[ $flags == *" $f "* ]] || missing+=" $f"; done
if [ -z "$missing" ]; then
	echo "this CPU has $tier: no emulator is needed"
	WAYSIDE_REQUIRE_ISA=$tier go test -json -short -count=1 -run "$run" "${packages[@]}" >"$out/json" || true
	summary natively
	exit
fi
echo "this CPU lacks$missing: in Bochs"

for tool in bochs-bin xorriso cpio; do
	command -v $tool >/dev/null || { echo "$tool is not installed:"; sed -n 's/^# there: //p' "$0"; exit 1; }
done
# Debian's kernel for virtual machines: it is the smallest, and compressed so that unpacking takes little. It is unpacked, not installed.
kernel=${XDG_CACHE_HOME:-$HOME/.cache}/wayside/vmlinuz-cloud-amd64
if [ ! -f "$kernel" ]; then
	name=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ {print $2; exit}')
	(cd "$out" && apt-get -qq -o APT::Sandbox::User=root download "$name" && dpkg -x "$name"_*.deb kernel)
	mkdir -p "$(dirname "$kernel")"
	cp "$out"/kernel/boot/vmlinuz-* "$kernel"
fi

# The initial file system: init, and one directory for each package with its test and its testdata. The garbage collector that Go 1.26 has by
# default uses AVX512 itself where it can; under Bochs 2.7 a test crashed with it that passes with the former one.
export GOEXPERIMENT=nogreenteagc
mkdir -p "$out"/root/{tests,proc,dev,tmp} "$out/iso"
GOOS=linux GOARCH=amd64 go build -trimpath -ldflags '-s -w' -o "$out/root/init" ./scripts/bochsinit
echo "-test.v=test2json -test.short -test.run=$run" >"$out/root/args"
for p in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' "${packages[@]}"); do
	[ "$p" != wayside/kernels/internal/asmgen ] || continue # compares sources, runs nothing of a tier
	dir=$out/root/tests/${p//\//,} src=$(go list -f '{{.Dir}}' "$p")
	mkdir "$dir"
	GOOS=linux GOARCH=amd64 go test -c -trimpath -ldflags '-s -w' -o "$dir/test" "$p"
	[ ! -d "$src/testdata" ] || cp -r "$src/testdata" "$dir"
done
unset GOEXPERIMENT
(cd "$out/root" && find . | cpio --quiet -o -H newc) >"$out/iso/initrd"
cp "$kernel" "$out/iso/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$out/iso"

# What Bochs 2.7 and Linux need to agree: Bochs states the size of the compacted XSAVE area wrongly and has no entry for PKU; its BIOS leaves
# fast strings off, which Linux 6.1 takes for "no ERMS" but keeps FSRM, and its memmove then has neither. The rest saves instructions: no
# self tests, certificates, ACPI, APIC; a clock known beforehand.
cat >"$out/iso/isolinux.cfg" <<-END
	DEFAULT linux
	LABEL linux
	KERNEL vmlinuz
	INITRD initrd
	APPEND console=ttyS0,115200 loglevel=1 clearcpuid=pku,xsaves,xsavec,fsrm nokaslr mitigations=off acpi=off nosmp noapic nolapic idle=halt tsc_early_khz=20000 tsc=reliable random.trust_cpu=on lsm=capability cryptomgr.notests initcall_blacklist=load_system_certificate_list,init_evm,init_ima panic=-1 reboot=triple
END
xorriso -as mkisofs -quiet -o "$out/boot.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$out/iso" 2>/dev/null
# tigerlake has AVX512 F, BW, DQ, VL, VBMI and VNNI. ips is the emulated clock, 20 MHz: the lower, the less goes into waiting loops.
cat >"$out/bochsrc" <<-END
	config_interface: textconfig
	display_library: term
	romimage: file=/usr/share/bochs/BIOS-bochs-latest
	vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
	cpu: model=tigerlake, ips=20000000, reset_on_triple_fault=0
	clock: sync=none
	megs: 1024
	boot: cdrom
	ata0-master: type=cdrom, path=$out/boot.iso, status=inserted
	com1: enabled=1, mode=file, dev=$out/serial
	log: $out/log
	panic: action=fatal
	error: action=ignore
	info: action=ignore
END
echo continue >"$out/commands" # Debian's Bochs is built with its debugger, which waits for this
start=$SECONDS
TERM=vt100 timeout -s KILL "$limit" bochs-bin -q -f "$out/bochsrc" -rc "$out/commands" </dev/null >"$out/screen" 2>&1 || true # ends by a triple fault
tr -d '\r' <"$out/serial" >"$out/text"

# Each package's part of the output becomes what go test -json prints.
: >"$out/json"
for dir in "$out"/root/tests/*; do
	n=${dir##*/}
	echo "ran   	${n//,//}: $(grep "^@@ end $n " "$out/text" || echo "did not end")" | sed 's/@@ end [^ ]* /exit code /'
	sed -n "/^@@ begin $n\$/,/^@@ end $n /p" "$out/text" | grep -v '^@@ ' | go tool test2json -p "${n//,//}" >>"$out/json" || true
	if ! grep -qx "@@ end $n 0" "$out/text"; then # a crash leaves no test that failed
		sed -n "/^@@ begin $n\$/,/^@@ end $n /p" "$out/text" | sed -nE '/^(panic:|fatal error:|unexpected fault|SIG|runtime:|.*--- FAIL)/,$p' | head -60
		echo "{\"Action\":\"fail\",\"Package\":\"${n//,//}\"}" >>"$out/json"
	fi
done
grep -q '^@@ done' "$out/text" || { echo "no end within $limit s; the last lines:"; tail -20 "$out/text"; echo '{"Action":"fail","Package":"Bochs"}' >>"$out/json"; }
summary "in Bochs, $((SECONDS - start)) s"
