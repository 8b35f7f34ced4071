#!/bin/bash
# Lifecycle configuration of a JupyterLab space: the alternative to an image of one's own.
# It makes the environment 'engagement' on the space's volume, where it outlasts the space's
# machine, and shows it to JupyterLab as a kernel. A script has five minutes, and installing may
# take longer: so it goes on in the background, and says in a file how far it is.
set -euo pipefail

SOURCE="${ENGAGEMENT_SOURCE:-}" # a Git address, or a folder on the volume
HOME_FOLDER="${ENGAGEMENT_VOLUME:-/home/sagemaker-user}"
PROJECT="$HOME_FOLDER/engagement"
ENVIRONMENT="$HOME_FOLDER/.conda/envs/engagement"
LOG="$HOME_FOLDER/engagement-setup.log"

install() {
    if [[ ! -d "$PROJECT" ]]; then
        if [[ -z "$SOURCE" ]]; then
            echo "no project: put it into $PROJECT, or name its Git address in ENGAGEMENT_SOURCE"
            return 1
        fi
        git clone --depth 1 -- "$SOURCE" "$PROJECT"
    fi
    cd "$PROJECT"
    local wanted
    wanted="$(sha256sum requirements.lock environment.yml | sha256sum)"
    if [[ "$(cat "$ENVIRONMENT/.ready" 2>/dev/null)" != "$wanted" ]]; then
        rm -rf "$ENVIRONMENT"
        conda create --yes --quiet --prefix "$ENVIRONMENT" python=3.11 pip
        "$ENVIRONMENT/bin/python" -m pip install --quiet --no-deps --requirement requirements.lock
        "$ENVIRONMENT/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .
        echo "$wanted" > "$ENVIRONMENT/.ready"
    fi
    "$ENVIRONMENT/bin/python" -m ipykernel install --user --name engagement \
        --display-name "Python 3 (engagement)"
    echo "ready"
}

if [[ "${1:-}" == "--wait" ]]; then
    install
else
    export -f install
    export SOURCE PROJECT ENVIRONMENT
    nohup bash -c 'set -euo pipefail; install' > "$LOG" 2>&1 &
    echo "The environment is made in the background: $LOG"
fi
