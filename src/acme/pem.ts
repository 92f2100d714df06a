/** PEM whose line breaks became blanks or `\n`, or are gone, as happens in the variables of CI systems: with line breaks again. */
export function withLineBreaks(pem: string): string {
  return pem
    .replaceAll(/\\r|\\n/g, "\n")
    .replaceAll(/-----(?=-----BEGIN)/g, "-----\n")
    .replaceAll(
      /-----BEGIN ([A-Z0-9 ]+)-----([^-:]*)-----END \1-----/g,
      (_, label: string, body: string) => {
        const lines = body.replaceAll(/\s/g, "").match(/.{1,64}/g) ?? [];
        return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`].join("\n");
      },
    );
}

/** True for PEM text given where a path may be given as well. */
export function isPem(text: string): boolean {
  return text.startsWith("-----BEGIN ");
}

/** The certificates of a text, each in PEM. */
export function certificateBlocks(text: string): readonly string[] {
  return (
    withLineBreaks(text).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  );
}
