#!/usr/bin/env python3
"""Records what pymodbus puts on the wire, as the foreign truth for hal/bus/modbus.

usage: python3 -m venv V && V/bin/pip install pymodbus==3.16.1
       V/bin/python scripts/oracles/modbus.py > hal/bus/modbus/testdata/pymodbus.jsonl

A pymodbus client talks to a pymodbus server over TCP through a tap in the middle. Each line is one exchange: the call, and
both messages as they went over the wire, headers included, in hexadecimal.
"""
import asyncio, json

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

UNIT = 17
REGISTERS = [0x0000, 0x0001, 0x7FFF, 0x8000, 0xFFFF, 0x1234, 0xABCD] + [(i * 2654435761) & 0xFFFF for i in range(193)]
BITS = [(i * i + i // 3) % 5 < 2 for i in range(2048)]


async def tap(server_port, log):
    async def pump(reader, writer, key):
        while data := await reader.read(4096):
            log.append((key, data))
            writer.write(data)
            await writer.drain()
        writer.close()

    async def accept(reader, writer):
        r, w = await asyncio.open_connection("127.0.0.1", server_port)
        await asyncio.gather(pump(reader, w, "request"), pump(r, writer, "response"))

    s = await asyncio.start_server(accept, "127.0.0.1", 0)
    return s, s.sockets[0].getsockname()[1]


async def main():
    co = [SimData(0, values=BITS, datatype=DataType.BITS)]
    di = [SimData(0, values=BITS[::-1], datatype=DataType.BITS)]
    hr = [SimData(0, values=REGISTERS, datatype=DataType.REGISTERS)]
    ir = [SimData(0, values=REGISTERS[::-1], datatype=DataType.REGISTERS)]
    server = ModbusTcpServer(SimDevice(UNIT, simdata=(co, di, hr, ir)), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]
    log = []
    t, tap_port = await tap(port, log)
    c = AsyncModbusTcpClient("127.0.0.1", port=tap_port, retries=0)
    assert await c.connect()

    async def record(fn, call, **entry):
        log.clear()
        reply = await call
        e = {"function": fn, "unit": UNIT, **entry}
        if reply.isError():
            e["exception"] = reply.exception_code
        elif fn in (1, 2):
            e["read_bits"] = [int(b) for b in reply.bits[: entry["count"]]]
        elif fn in (3, 4):
            e["read_registers"] = reply.registers
        for key in ("request", "response"):
            e[key] = b"".join(d for k, d in log if k == key).hex()
        print(json.dumps(e))

    u = {"device_id": UNIT}
    for n in (1, 7, 8, 9, 64, 2000):
        await record(1, c.read_coils(3, count=n, **u), address=3, count=n)
        await record(2, c.read_discrete_inputs(5, count=n, **u), address=5, count=n)
    for n in (1, 2, 125):
        await record(3, c.read_holding_registers(2, count=n, **u), address=2, count=n)
        await record(4, c.read_input_registers(6, count=n, **u), address=6, count=n)
    for on in (True, False):
        await record(5, c.write_coil(9, on, **u), address=9, bits=[int(on)])
    for v in (0, 1, 0xA55A, 0xFFFF):
        await record(6, c.write_register(11, v, **u), address=11, registers=[v])
    for n in (1, 8, 13):
        await record(15, c.write_coils(20, BITS[:n], **u), address=20, bits=[int(b) for b in BITS[:n]])
    for n in (1, 5, 123):
        await record(16, c.write_registers(20, REGISTERS[:n], **u), address=20, registers=REGISTERS[:n])
    # An address that the device does not have.
    await record(3, c.read_holding_registers(60000, count=2, **u), address=60000, count=2)
    await record(6, c.write_register(60000, 1, **u), address=60000, registers=[1])
    c.close()
    await asyncio.sleep(0.2)  # lets the tap see both ends close
    await server.shutdown()
    t.close()


asyncio.run(main())
