/** Places where no solver can listen, as cases of the conformance suite. */
export function brokenPlaces<Options extends object>(defaults: Options, port: number) {
  return [
    {
      when: "the address is not this machine's",
      options: { ...defaults, address: ["192.0.2.1"], port },
      says: new RegExp(
        `Cannot listen on 192\\.0\\.2\\.1:${port}: this machine does not have that address`,
      ),
    },
    {
      when: "the socket's folder is missing",
      options: { ...defaults, socket: "/nowhere/acme.sock" },
      says: /\/nowhere\/acme\.sock/,
    },
    {
      when: "the socket's mode is not octal digits",
      options: { ...defaults, socket: "/tmp/x.sock", socketMode: "rw" },
      says: /"rw" is not a file mode/,
    },
  ];
}
