/** Names that nobody else draws. */

/** So many random bytes as hexadecimal digits. `crypto.randomUUID` is there on secure pages only, which a page by http on a home network is not. */
export function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}
