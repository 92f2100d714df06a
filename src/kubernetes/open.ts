export type { Cluster } from "./cluster.ts";
export type { ClusterRequest, KubeObject, Resource } from "./request.ts";

/** As `cluster.ts` does it, which is loaded with the first cluster alone. */
export const openCluster: typeof import("./cluster.ts").openCluster = async (setting, tools) => {
  const cluster = await import("./cluster.ts");
  return cluster.openCluster(setting, tools);
};
